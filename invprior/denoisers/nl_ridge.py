"""NL-Ridge: similar patches are denoised by linear combinations of each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt, Interval
from torch import Tensor
from torch.nn import functional as F

from invprior.denoisers.base import Denoiser
from invprior.denoisers.nlm import NLM
from invprior.denoisers.pairs import half_window
from invprior.numerics.opponent import from_opponent, to_opponent


@dataclass(frozen=True, kw_only=True)
class NLRidge(Denoiser):
    """NL-Ridge: groups of similar patches, each denoised as the best linear combination of its group.

    For a group Y of noisy patches, one per column, the estimate is Y W. The weights W minimise the expected squared
    error for the patches X of a first estimate: W = I - n sigma^2 P, with P the inverse of X^T X + n sigma^2 I on
    weights that sum to 0. Each column of W then sums to 1, so an offset of the image stays. Overlapping patches are
    averaged. The first estimate is that of `nlm`, the second the method's own. It is as good as BM3D or better, and
    takes ten to thirty times as long as `nlm`.

    Args:
        patch: side of the patches in pixels; half of the image's side at most.
        similar: number of patches in a group.
        window: largest distance of a patch along each axis, in pixels.
        step: distance of neighbouring groups, in pixels.

    Source: Herbreteau and Kervrann 2022, "Towards a unified view of unsupervised non-local methods for image
    denoising: the NL-Ridge approach"; the constraint of its section on affine combinations.
    """

    patch: Annotated[int, Interval(ge=1, le=31)] = 6
    similar: Annotated[int, Interval(ge=2, le=200)] = 48
    window: Annotated[int, Interval(ge=1, le=100)] = 9
    step: Annotated[int, Gt(0)] = 4

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of standard deviation sigma."""
        return torch.cat([self._one(image, sigma) for image in x.split(1)])

    def _one(self, x: Tensor, sigma: float) -> Tensor:
        noisy, estimate = to_opponent(x), to_opponent(NLM().denoise(x, sigma))
        for _ in range(_PASSES):
            estimate = self._combined(noisy, estimate, sigma)
        return from_opponent(estimate)

    def _combined(self, noisy: Tensor, estimate: Tensor, sigma: float) -> Tensor:
        """Denoise every group once, with weights from the estimate; all (1, C, H, W) in opponent axes."""
        height, width = noisy.shape[-2:]
        size = (min(self.patch, (height + 1) // 2), min(self.patch, (width + 1) // 2))
        groups = self._groups(estimate[:, :1], size)
        sources, models = (_patches(image, size) for image in (noisy, estimate))
        total, counts = torch.zeros_like(sources), torch.zeros_like(sources[:, 0])
        for group in groups.split(_AT_ONCE):
            # (C, groups, similar, pixels)
            y, model = (patches.movedim(1, -1)[:, group] for patches in (sources, models))
            weights = _weights(model, sigma)
            # The less noise a combination leaves, the more it counts.
            trust = 1.0 / weights.square().sum(-1, keepdim=True)
            found = (weights @ y * trust).flatten(1, 2).movedim(-1, 1)
            total.index_add_(2, group.flatten(), found)
            counts.index_add_(1, group.flatten(), trust.flatten(1))
        both = torch.stack((total, counts[:, None].expand_as(total))).flatten(1, 2)
        numerator, denominator = F.fold(both, (height, width), size).split(1)
        averaged: Tensor = numerator / denominator
        return averaged

    def _groups(self, guide: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the indices of the patches of each group, (groups, similar), the nearest first."""
        rows, columns = (n - p + 1 for n, p in zip(guide.shape[-2:], size, strict=True))
        # Every pixel lies in a patch of some group.
        ys, xs = (
            _grid(n, min(self.step, p), guide.device)
            for n, p in zip((rows, columns), size, strict=True)
        )
        half = [*half_window(rows, columns, self.window)]
        window = [(0, 0), *half, *((-dy, -dx) for dy, dx in half)]
        distances = [_distance(guide, dy, dx, size, ys, xs) for dy, dx in window]
        shifts = [dy * columns + dx for dy, dx in window]
        # A reference at a corner has the fewest neighbours.
        fewest = min(self.window + 1, rows) * min(self.window + 1, columns)
        best = (
            torch.stack(distances).flatten(1).topk(min(self.similar, fewest), dim=0, largest=False)
        )
        here = (ys[:, None] * columns + xs).flatten()
        return here[:, None] + torch.tensor(shifts, device=guide.device)[best.indices.T]


# The second pass starts from the first one's estimate.
_PASSES = 2
# Groups that are computed together, which limits the memory.
_AT_ONCE = 1024


def _patches(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return all patches of an image, (1, C, H, W), as (C, pixels, patches)."""
    columns: Tensor = F.unfold(image, size)[0]
    return columns.view(image.shape[1], -1, columns.shape[-1])


def _grid(count: int, step: int, device: torch.device) -> Tensor:
    """Return every `step`-th of `count` positions, and the last."""
    return torch.tensor([*range(0, count - 1, step), count - 1], device=device)


def _distance(
    guide: Tensor, dy: int, dx: int, size: tuple[int, int], ys: Tensor, xs: Tensor
) -> Tensor:
    """Return the squared distances of the patches at ys and xs to those (dy, dx) further on; infinite outside."""
    rows, columns = guide.shape[-2] - size[0] + 1, guide.shape[-1] - size[1] + 1
    inside = ((ys + dy >= 0) & (ys + dy < rows))[:, None] & (xs + dx >= 0) & (xs + dx < columns)
    moved = guide.roll((-dy, -dx), (-2, -1))
    squares = F.avg_pool2d((guide - moved).square_(), size, stride=1)[0, 0]
    return squares[ys][:, xs].masked_fill_(~inside, torch.inf)


def _weights(model: Tensor, sigma: float) -> Tensor:
    """Return the weights of each group's combinations, one per row, from its model, (..., similar, pixels)."""
    # In float64, as X^T X is close to singular where the patches are alike. Weights that sum to 1 do not depend on
    # the group's mean, and without it the numbers are smaller.
    x = model.double()
    x = x - x.mean(-2, keepdim=True)
    gram = x @ x.mT
    noise = x.shape[-1] * sigma**2
    floor = 1e-12 * gram.diagonal(dim1=-2, dim2=-1).mean(-1) + 1e-300
    ridge = floor.clamp_min(noise)[..., None, None]
    one = torch.eye(x.shape[-2], dtype=x.dtype, device=x.device)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram + ridge * one))
    sums = inverse.sum(-1, keepdim=True)
    on_differences = inverse - sums @ sums.mT / sums.sum(-2, keepdim=True)
    return (one - ridge * on_differences).to(model.dtype)
