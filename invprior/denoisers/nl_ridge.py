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
from invprior.numerics.complex_parts import parts
from invprior.numerics.opponent import from_opponent, to_opponent


@dataclass(frozen=True, kw_only=True)
class NLRidge(Denoiser):
    """NL-Ridge: groups of similar patches, each denoised as the best linear combination of its group.

    For a group Y of k noisy patches of n pixels, one per row, the estimate is W Y. The weights W minimise the expected
    squared error for the patches X of a first estimate, if each row of W sums to 1, so that an offset of the image
    stays: W = 1/k + X (X^T X + n sigma^2 I)^-1 X^T, with the group's mean taken off X. Overlapping patches are
    averaged. The first estimate is that of `nlm`, the second the method's own. It is as good as BM3D or better, and
    takes ten to twenty times as long as `nlm`. The real and the imaginary parts of complex patches share their weights.

    Args:
        patch: side of the patches in pixels; half of the image's side at most.
        similar: number of patches in a group.
        window: largest distance of a patch along each axis, in pixels.
        step: distance of neighbouring groups, in pixels.

    Source: Herbreteau and Kervrann 2022, "Towards a unified view of unsupervised non-local methods for image
    denoising: the NL-Ridge approach"; the constraint of its section on affine combinations.
    """

    takes_complex = True
    patch: Annotated[int, Interval(ge=1, le=31)] = 6
    similar: Annotated[int, Interval(ge=2, le=200)] = 48
    window: Annotated[int, Interval(ge=1, le=100)] = 9
    step: Annotated[int, Gt(0)] = 4

    @property
    def stand_in(self) -> NLM:
        """The denoiser of the first estimate; under two blurs its best weight was within 0.1 dB of this one's."""
        return NLM()

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
        # By luma, or by both parts of a complex channel.
        groups = self._groups(parts(estimate[:, :1]), size)
        sources, models = (_patches(image, size) for image in (noisy, estimate))
        total, counts = torch.zeros_like(sources), torch.zeros_like(sources[:, 0])
        for group in groups.split(_AT_ONCE):
            # (C, groups, similar, pixels)
            y, model = (patches.movedim(1, -1)[:, group] for patches in (sources, models))
            combined, squares = _combinations(y, model, sigma)
            # The less noise a combination leaves, the more it counts.
            trust = 1.0 / squares
            found = (combined * trust).flatten(1, 2).movedim(-1, 1)
            total.index_add_(2, group.flatten(), found)
            counts.index_add_(1, group.flatten(), trust.flatten(1))
        both = torch.stack((total, counts[:, None].expand_as(total))).flatten(1, 2)
        numerator, denominator = F.fold(both, (height, width), size).split(1)
        averaged: Tensor = numerator / denominator
        if noisy.is_complex():  # the parts of a channel are neighbours
            return torch.complex(averaged[:, ::2], averaged[:, 1::2])
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
    """Return all patches of an image, (1, C, H, W), as (C, pixels, patches); complex ones with the parts as pixels."""
    columns: Tensor = F.unfold(parts(image), size)[0]
    by_part = columns.view(2 if image.is_complex() else 1, image.shape[1], -1, columns.shape[-1])
    return by_part.transpose(0, 1).flatten(1, 2)


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
    # One axis after the other, and along the second only where it counts.
    down = F.avg_pool2d((guide - moved).square_(), (size[0], 1), stride=1)[:, :, ys]
    squares = F.avg_pool2d(down, (1, size[1]), stride=1)[0, :, :, xs].sum(0)
    return squares.masked_fill_(~inside, torch.inf)


def _combinations(y: Tensor, model: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Combine the patches of each group.

    Args:
        y: the noisy patches, (..., similar, pixels).
        model: the patches of the first estimate, of the same shape.
        sigma: standard deviation of the noise.

    Returns:
        The combinations, of y's shape, and the sum of the squared weights of each, (..., similar, 1).
    """
    # In float64, as X^T X is close to singular where the patches are alike.
    x = model.double()
    x = x - x.mean(-2, keepdim=True)
    gram = x.mT @ x
    noise = x.shape[-1] * sigma**2
    floor = 1e-12 * gram.diagonal(dim1=-2, dim2=-1).mean(-1) + 1e-300
    ridge = floor.clamp_min(noise)[..., None, None]
    one = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    smooth = torch.cholesky_solve(x.mT, torch.linalg.cholesky(gram + ridge * one)).mT
    # The rows of X sum to 0, so each part of the weights is orthogonal to the other.
    squares = (smooth * (x - ridge * smooth)).sum(-1, keepdim=True) + 1 / x.shape[-2]
    smooth = smooth.to(y.dtype)
    differences = smooth @ (x.to(y.dtype).mT @ y)
    return y.mean(-2, keepdim=True) + differences, squares.to(y.dtype)
