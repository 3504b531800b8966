"""The bilateral filter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt, Interval
from torch import Tensor

from invprior.denoisers.base import Denoiser
from invprior.denoisers.pairs import half_window, regions


@dataclass(frozen=True, kw_only=True)
class Bilateral(Denoiser):
    """Bilateral filter: a Gaussian blur that leaves out neighbours of another colour.

    It is fast and simple, and weaker than nlm, because the value of a single noisy pixel decides
    which neighbours count.

    Args:
        radius: largest distance of a neighbour along each axis, in pixels.
        sigma_spatial: standard deviation of the blur, in pixels.
        strength: standard deviation of the weights over colour distances, in multiples of the
            noise level. The distance is the root mean square over channels.

    Source: Tomasi and Manduchi 1998, "Bilateral filtering for gray and color images".
    """

    radius: Annotated[int, Interval(ge=1, le=50)] = 4
    sigma_spatial: Annotated[float, Gt(0)] = 1.5
    strength: Annotated[float, Gt(0)] = 2.0

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of standard deviation sigma."""
        height, width = x.shape[-2:]
        # The division by the number of channels makes the sum of squares below a mean square.
        scale = -0.5 / (self.strength * max(sigma, 1e-6)) ** 2 / x.shape[1]
        total, weights = x.clone(), torch.ones_like(x[:, :1])
        for dy, dx in half_window(height, width, self.radius):
            here, there = regions(height, width, dy, dx)
            near = math.exp(-0.5 * (dy**2 + dx**2) / self.sigma_spatial**2)
            distance = (x[here] - x[there]).square_().sum(1, keepdim=True)
            weight = distance.mul_(scale).exp_().mul_(near)
            # Weights are symmetric, so each pair of pixels is visited once.
            for a, b in ((here, there), (there, here)):
                total[a].addcmul_(weight, x[b])
                weights[a] += weight
        return total.div_(weights)
