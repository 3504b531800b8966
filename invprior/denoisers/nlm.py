"""Non-local means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt, Interval
from torch import Tensor

from invprior.denoisers.base import Denoiser
from invprior.denoisers.pairs import half_window, regions
from invprior.errors import OptionError
from invprior.numerics.boundary import extend
from invprior.numerics.opponent import to_opponent


@dataclass(frozen=True, kw_only=True)
class NLM(Denoiser):
    """Non-local means: each pixel becomes the average of pixels with similar patches.

    Distances between patches are corrected for their noise. In colour images the distances are
    taken in opponent axes. Each chroma axis counts a quarter of luma, because natural images have
    little signal there but as much noise. A pixel's own weight is that of its best match, so
    isolated detail is kept. The defaults suit colour images. Grey images gain about 0.2 dB from
    patch=5, strength=0.65.

    Args:
        patch: side of the patches in pixels, odd.
        window: largest distance of a patch along each axis, in pixels.
        strength: h / sigma in the weights exp(-d^2 / h^2).

    Source: Buades, Coll and Morel 2005, "A non-local algorithm for image denoising", and 2011,
    "Non-local means denoising" (IPOL), for the noise-corrected distance.
    """

    patch: Annotated[int, Interval(ge=1, le=31)] = 3
    window: Annotated[int, Interval(ge=1, le=100)] = 6
    strength: Annotated[float, Gt(0)] = 0.8

    def __post_init__(self) -> None:
        if self.patch % 2 == 0:
            raise OptionError(
                f"The patch of nlm must be odd; got {self.patch}. Use {self.patch + 1}."
            )

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of standard deviation sigma.

        The time grows with window^2, and little with patch.
        """
        height, width = x.shape[-2:]
        h2 = (self.strength * max(sigma, 1e-6)) ** 2  # the floor keeps the weights from being NaN
        guide, margin = _guide(x), self.patch // 2
        for dim in (-2, -1):
            guide = extend(guide, dim, margin, margin, "reflect")
        total, weights = torch.zeros_like(x), torch.zeros_like(x[:, :1])
        best = weights.clone()
        for dy, dx in half_window(height, width, self.window):
            here, there = regions(height, width, dy, dx)
            distance = _patch_distance(guide, dy, dx, self.patch)
            # The difference of two noisy patches has the noise's variance twice.
            weight = distance.sub_(2 * sigma**2).clamp_(min=0).mul_(-1 / h2).exp_()
            # Weights are symmetric, so each pair of pixels is visited once.
            for a, b in ((here, there), (there, here)):
                total[a].addcmul_(weight, x[b])
                weights[a] += weight
                best[a] = torch.maximum(best[a], weight)
        best.clamp_(min=1e-12)  # a pixel without any match keeps its value
        return total.addcmul_(best, x).div_(weights.add_(best))


def _guide(x: Tensor) -> Tensor:
    """Return the channels for the distances, weighted so that noise counts as in one channel."""
    share = [1.0, 0.5, 0.5] if x.shape[1] == 3 else [1.0] * x.shape[1]
    shares = x.new_tensor(share)
    return to_opponent(x) * (shares / shares.square().sum().sqrt()).view(-1, 1, 1)


def _patch_distance(guide: Tensor, dy: int, dx: int, patch: int) -> Tensor:
    """Return the mean squared distance of each pixel's patch to the patch (dy, dx) further on."""
    here, there = regions(guide.shape[-2], guide.shape[-1], dy, dx)
    squares = (guide[here] - guide[there]).square_().sum(1, keepdim=True)
    # The sum over a patch is separable: rows first, then columns.
    for dim in (-2, -1):
        n = squares.shape[dim] - patch + 1
        rows = [squares.narrow(dim, i, n) for i in range(patch)]
        squares = rows[0].clone()
        for row in rows[1:]:
            squares += row
    return squares.div_(patch**2)
