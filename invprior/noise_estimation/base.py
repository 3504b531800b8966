"""What an estimate of the noise says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

QUANTISATION = 1 / (255 * math.sqrt(12))  # the rounding error of an 8-bit file: no sigma below it
_DOUBTFUL = 0.15  # relative uncertainty from which a weight or a stop may come out visibly wrong


def is_rounding(sigma: float) -> bool:
    """Whether a level is no more than the rounding error of an 8-bit file: there is no noise to speak of."""
    return sigma <= 1.01 * QUANTISATION


@dataclass(frozen=True, kw_only=True)
class NoiseEstimate:
    """How strong the noise is.

    Attributes:
        sigma: standard deviation over all measurements, in y's units.
        channels: standard deviation in each channel; a channel that says nothing has the overall one.
        uncertainty: relative, one standard deviation, of sigma, or of `peak` when there is one; infinite for a guess.
        method: how it was found, in words.
        peak: for photon noise, the count at intensity 1, which is one over the gain; else None.
        doubt: why it may be wrong, as a clause; None when there is no reason to doubt.
    """

    sigma: float
    channels: tuple[float, ...]
    uncertainty: float
    method: str
    peak: float | None = None
    doubt: str | None = None

    @property
    def note(self) -> str | None:
        """What to tell the user when the estimate is not to be relied on."""
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
        """The figure and its uncertainty, as a person reads it."""
        figure = f"sigma {self.sigma:.4f}" if self.peak is None else f"peak {self.peak:.4g}"
        if self.uncertainty == 0:
            return figure
        if math.isinf(self.uncertainty):
            return f"{figure} (a guess)"
        if self.peak is None and is_rounding(self.sigma):
            return f"{figure} (none found; that of 8 bits)"
        return f"{figure} ± {100 * self.uncertainty:.0f} % (estimated)"

    def record(self) -> dict[str, Any]:
        """What a result's record keeps, for JSON."""
        return {
            "sigma": self.sigma,
            "channels": list(self.channels),
            "uncertainty": self.uncertainty if math.isfinite(self.uncertainty) else None,
            "method": self.method,
            "peak": self.peak,
            "doubt": self.doubt,
        }
