"""The result of a noise estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from invprior.noise_estimation.steps import rounding

QUANTISATION = rounding(1 / 255)  # of an 8-bit image whose range is 1
DOUBTFUL = 0.15  # relative uncertainty above which a weight or a stop may be visibly wrong


def is_rounding(sigma: float, noise: NoiseEstimate | None = None) -> bool:
    """Return whether a noise level is no more than rounding.

    Args:
        sigma: the level, in units in which the image's range is about 1. At most the rounding error of 8 bits, it is
            too small for a network to notice.
        noise: the estimate that it comes from, in the same units. If no noise was found in it, the level is the
            rounding error of the data, whatever part of the range these use.
    """
    return sigma <= 1.01 * QUANTISATION or (noise is not None and noise.is_rounding)


@dataclass(frozen=True, kw_only=True)
class NoiseEstimate:
    """An estimate of the noise level.

    Attributes:
        sigma: standard deviation over all measurements, in y's units.
        channels: standard deviation in each channel; `sigma` for a channel without enough data.
        uncertainty: relative standard deviation of `sigma`, or of `peak` for photon noise. Infinite when the value is
            assumed rather than estimated.
        method: the method, in words.
        step: spacing of y's values, see `step_of`, in y's units. `sigma` is at least the error of rounding to it.
        peak: for photon noise the count at intensity 1, which is one over the gain; else None.
        doubt: why the estimate may be wrong, as a clause; None when there is no reason to doubt it.
    """

    sigma: float
    channels: tuple[float, ...]
    uncertainty: float
    method: str
    step: float = 0.0
    peak: float | None = None
    doubt: str | None = None

    def rescaled(self, scale: float) -> NoiseEstimate:
        """Return the estimate for y / scale."""
        return replace(
            self,
            sigma=self.sigma / scale,
            channels=tuple(sigma / scale for sigma in self.channels),
            step=self.step / scale,
            peak=None if self.peak is None else self.peak * scale,
        )

    @property
    def is_rounding(self) -> bool:
        """Whether no noise was found, so that `sigma` is the error of rounding to `step`."""
        return self.peak is None and self.sigma <= 1.01 * rounding(self.step)

    @property
    def note(self) -> str | None:
        """A warning for the user when the estimate is unreliable; else None."""
        # Texture makes an estimate too high, so one as low as rounding is not in doubt.
        if self.doubt is None and (self.uncertainty <= DOUBTFUL or self.is_rounding):
            return None
        option = "gaussian:sigma" if self.peak is None else f"poisson:{self._value.split()[0]}"
        why = self.doubt or "too much of the image is texture, or too little of it is known"
        return f"the estimate of the noise, {self._value}, is unreliable: {why}; give {option}=... if you know it"

    def text(self) -> str:
        """Return the value and its uncertainty as text for the user."""
        value = self._value
        if self.uncertainty == 0:
            return value
        if math.isinf(self.uncertainty):
            return f"{value} (assumed)"
        if self.is_rounding:
            return f"{value} (no noise found; rounding to multiples of {self.step:.3g})"
        return f"{value} ± {100 * self.uncertainty:.0f} % (estimated)"

    @property
    def _value(self) -> str:
        """The parameter and its value; for data in counts a gain says more than a peak."""
        if self.peak is None:
            return f"sigma {self.sigma:.4g}"
        return f"peak {self.peak:.4g}" if self.peak >= 1 else f"gain {1 / self.peak:.4g}"

    def record(self) -> dict[str, Any]:
        """Return the fields that a result's record keeps, for JSON."""
        return {
            "sigma": self.sigma,
            "channels": list(self.channels),
            "step": self.step,
            # JSON has no infinity.
            "uncertainty": self.uncertainty if math.isfinite(self.uncertainty) else None,
            "method": self.method,
            "peak": self.peak,
            "doubt": self.doubt,
        }
