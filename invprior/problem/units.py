"""The units of a run: intensities are shifted and scaled so that the image's range is about [0, 1].

A run works on real numbers. It holds a complex image as its real and imaginary parts, and only scales these.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from invprior.errors import OptionError
from invprior.numerics.complex_parts import from_parts, magnitude, parts


@dataclass(frozen=True)
class Units:
    """The map x = low + scale x', from the intensities x' of a run to those of the data.

    Attributes:
        low: the intensity of x' = 0.
        scale: the difference in intensity that is 1 in x', positive.
        of_parts: whether x is complex, (B, C, H, W), and x' has its real and imaginary parts, (B, 2 C, H, W).
    """

    low: float = 0.0
    scale: float = 1.0
    of_parts: bool = False

    @property
    def is_identity(self) -> bool:
        """Whether a run works in the units of the data."""
        return self.low == 0 and self.scale == 1 and not self.of_parts

    def inward(self, x: Tensor) -> Tensor:
        """Return images of the data in the units of a run."""
        if self.of_parts:
            x = parts(x.to(x.dtype.to_complex()))
        return x if self.is_identity else (x - self.low) / self.scale

    def outward(self, x: Tensor) -> Tensor:
        """Return images of a run in the units of the data."""
        found = x if self.is_identity else x * self.scale + self.low
        return from_parts(found) if self.of_parts else found

    def deviation_outward(self, deviation: Tensor) -> Tensor:
        """Return a standard deviation of a run in the units of the data, that of a complex image over both parts."""
        if self.of_parts:
            deviation = from_parts(deviation).abs()
        return deviation * self.scale  # no offset


DATA_UNITS = Units()


@dataclass(frozen=True)
class DataRange:
    """The range of an image's intensities.

    Attributes:
        low: the intensity of black.
        high: the intensity of white, above `low`.
        source: where it comes from, in words, if it was not given by the user.

    Raises:
        OptionError: it has no width, or is not finite.
    """

    low: float
    high: float
    source: str = ""

    def __post_init__(self) -> None:
        if not -float("inf") < self.low < self.high < float("inf"):
            raise OptionError(
                'The option "data_range" (--range) must be the intensities of black and of white, the lower one '
                f"first; got {self.low:g} and {self.high:g}. Give for example 0 and 4095, or leave it out."
            )

    def units(self, *, shift: bool) -> Units:
        """Return the units in which the range is [0, 1]; without a shift, in which its larger end has magnitude 1."""
        if shift:
            return Units(self.low, self.high - self.low)
        return Units(0.0, max(abs(self.low), abs(self.high)))


# The range of files of integers whose type has a top value, such as photographs.
PHOTOGRAPH = DataRange(0.0, 1.0)
_MARGIN = 0.05  # of an estimated range, on each side: a network's output cannot leave the range


def estimated_range(estimates: list[Tensor], noise_level: float) -> DataRange:
    """Estimate the range of an image, with a margin.

    Args:
        estimates: estimates of the image, of any shapes, finite; the range covers all of them. That of complex ones
            goes from 0 to their largest magnitude.
        noise_level: standard deviation of the noise; no range is narrower than twice that.
    """
    # In float64, where the width of no float32 range overflows.
    ends = [torch.aminmax(magnitude(x).double()) for x in estimates]
    low, high = min(float(e.min) for e in ends), max(float(e.max) for e in ends)
    if any(x.is_complex() for x in estimates):
        return DataRange(0.0, (1 + _MARGIN) * max(high, noise_level) or 1.0, "estimated from y")
    middle, width = (low + high) / 2, max(high - low, 2 * noise_level)
    if width <= 1e-6 * abs(middle):  # flat, up to rounding
        width = abs(middle) or 1.0
    width *= 1 + 2 * _MARGIN
    return DataRange(middle - width / 2, middle + width / 2, "estimated from y")
