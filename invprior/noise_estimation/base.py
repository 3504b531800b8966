"""The result of a noise estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

QUANTISATION = 1 / (255 * math.sqrt(12))  # rounding error of an 8-bit file, the smallest sigma
_DOUBTFUL = 0.15  # relative uncertainty above which a weight or a stop may be visibly wrong


def is_rounding(sigma: float) -> bool:
    """Return whether a noise level is at most the rounding error of an 8-bit file."""
    return sigma <= 1.01 * QUANTISATION


@dataclass(frozen=True, kw_only=True)
class NoiseEstimate:
    """An estimate of the noise level.

    Attributes:
        sigma: standard deviation over all measurements, in y's units.
        channels: standard deviation in each channel; `sigma` for a channel without enough data.
        uncertainty: relative standard deviation of `sigma`, or of `peak` for photon noise. Infinite when the value is
            assumed rather than estimated.
        method: the method, in words.
        peak: for photon noise the count at intensity 1, which is one over the gain; else None.
        doubt: why the estimate may be wrong, as a clause; None when there is no reason to doubt it.
    """

    sigma: float
    channels: tuple[float, ...]
    uncertainty: float
    method: str
    peak: float | None = None
    doubt: str | None = None

    def rescaled(self, scale: float) -> NoiseEstimate:
        """Return the estimate for y / scale."""
        return replace(
            self,
            sigma=self.sigma / scale,
            channels=tuple(sigma / scale for sigma in self.channels),
            peak=None if self.peak is None else self.peak * scale,
        )

    @property
    def note(self) -> str | None:
        """A warning for the user when the estimate is unreliable; else None."""
        if self.doubt is None and self.uncertainty <= _DOUBTFUL:
            return None
        what, option = (
            (f"sigma {self.sigma:.4f}", "gaussian:sigma=...")
            if self.peak is None
            else (f"peak {self.peak:.4g}", "poisson:peak=...")
        )
        why = self.doubt or "too much of the image is texture, or too little of it is known"
        return (
            f"the estimate of the noise, {what}, is unreliable: {why}; give {option} if you know it"
        )

    def text(self) -> str:
        """Return the value and its uncertainty as text for the user."""
        value = f"sigma {self.sigma:.4f}" if self.peak is None else f"peak {self.peak:.4g}"
        if self.uncertainty == 0:
            return value
        if math.isinf(self.uncertainty):
            return f"{value} (assumed)"
        if self.peak is None and is_rounding(self.sigma):
            return f"{value} (no noise found; rounding to 8 bits)"
        return f"{value} ± {100 * self.uncertainty:.0f} % (estimated)"

    def record(self) -> dict[str, Any]:
        """Return the fields that a result's record keeps, for JSON."""
        return {
            "sigma": self.sigma,
            "channels": list(self.channels),
            # JSON has no infinity.
            "uncertainty": self.uncertainty if math.isfinite(self.uncertainty) else None,
            "method": self.method,
            "peak": self.peak,
            "doubt": self.doubt,
        }
