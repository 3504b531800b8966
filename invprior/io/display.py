"""Which intensities an image shows as black and as white; files and scores keep the values themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_ENDS = (0.1, 99.9)  # percentiles: a few hot pixels or stars must not darken the rest
# A photograph in [0, 1] uses at least this part of it, and an estimate of one overshoots by no more than that.
_USED, _OVERSHOOT = 0.25, 0.05
_MOST = 1_000_000  # values that percentiles are taken of


@dataclass(frozen=True)
class Window:
    """The intensities shown as black and as white, the first below the second."""

    low: float = 0.0
    high: float = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        """Map intensities to [0, 1], float32, clipped; NaN becomes 0. Complex values are shown by their magnitude."""
        # In float64, where large offsets keep their digits.
        shown = (_magnitude(x.detach()).double() - self.low) / (self.high - self.low)
        return shown.clamp(0, 1).nan_to_num(0.0).float()

    def __str__(self) -> str:
        return f"{self.low:.4g} to {self.high:.4g}"

    def for_measurement(self, y: Tensor) -> Window:
        """Return this window, or the measurement's own where this one would hide it, as that of a sinogram.

        Args:
            y: the measurement, of any shape. It is hidden if most of its values are black or white, or if all of them
                are nearly the same grey.
        """
        values = _sampled(y)
        if not values.size:
            return self
        outside = float(((values < self.low) | (values > self.high)).mean())
        low, high = _ends(values)
        narrow = high - low < _NARROW * (self.high - self.low)
        return window_of(y) if low < high and (outside > 0.5 or narrow) else self


# A measurement with less of the window's contrast is shown in a window of its own.
_NARROW = 0.05
UNIT = Window()


def window_of(x: Tensor) -> Window:
    """Return the window of an image, and of all images shown beside it.

    It is [0, 1] for a photograph: an image that lies within it, up to some overshoot, and uses a quarter of it or more.
    Any other image has a window from its percentiles 0.1 to 99.9. Values that are not finite do not count.

    Args:
        x: the ground truth or, where it is unknown, the restoration; of any shape.
    """
    values = _sampled(x)
    if not values.size:
        return UNIT
    low, high = _ends(values)
    within = low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT
    if within and (high - low >= _USED or low == high):
        return UNIT
    if low == high:  # constant, apart from a few values
        low, high = min(0.0, low), max(0.0, high)
    return Window(low, high)


def _sampled(x: Tensor) -> NDArray[np.float64]:
    """Return the finite values of an image, or evenly spaced ones if there are many."""
    flat = x.detach().flatten()
    flat = _magnitude(flat[:: max(1, flat.numel() // _MOST)])
    values: NDArray[np.float64] = flat.double().cpu().numpy().ravel()
    return values[np.isfinite(values)]


def _magnitude(x: Tensor) -> Tensor:
    return x.abs() if x.is_complex() else x


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, _ENDS)
    return float(low), float(high)
