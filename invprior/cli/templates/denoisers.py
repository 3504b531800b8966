"""A denoiser in a package of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from invprior import Denoiser


@dataclass(frozen=True, kw_only=True)
class Mine(Denoiser):
    """Wiener's filter: each pixel is drawn to its neighbours' mean, the more the less they vary.

    Args:
        reach: how far a neighbour may be, in pixels.
    """

    reach: Annotated[int, Ge(1)] = 1

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of standard deviation sigma; as it goes to 0, nothing is done."""
        mean = self._mean(x)
        variance = self._mean(x**2) - mean**2
        keep = (1 - sigma**2 / variance.clamp_min(1e-12)).clamp_min(0)
        return mean + keep * (x - mean)

    def _mean(self, x: Tensor) -> Tensor:
        wide = pad(x, (self.reach,) * 4, mode="replicate")
        return avg_pool2d(wide, 2 * self.reach + 1, stride=1)
