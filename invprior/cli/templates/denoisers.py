"""A denoiser for invprior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from invprior import Denoiser


@dataclass(frozen=True, kw_only=True)
class Mine(Denoiser):
    """Wiener filter: each pixel moves towards the mean of its neighbourhood, the more the less the pixels there vary.

    Args:
        radius: of the square neighbourhood, in pixels.
    """

    radius: Annotated[int, Ge(1)] = 1

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of standard deviation sigma: (B, C, H, W) to the same."""
        mean = self._mean(x)
        variance = self._mean(x**2) - mean**2
        # solvers also ask for weak denoising: as sigma goes to 0, x must come back unchanged
        keep = (1 - sigma**2 / variance.clamp_min(1e-12)).clamp_min(0)
        return mean + keep * (x - mean)

    def _mean(self, x: Tensor) -> Tensor:
        """Average over the neighbourhood of each pixel."""
        # replicate, unlike reflect, allows a radius larger than the image
        wide = pad(x, (self.radius,) * 4, mode="replicate")
        return avg_pool2d(wide, 2 * self.radius + 1, stride=1)
