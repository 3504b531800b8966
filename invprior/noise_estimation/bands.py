"""What an image's blocks hold at low, middle and high frequencies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SIDE = 8  # of a block, in pixels; larger where pixels are missing
_LOW, _MIDDLE = 7, 10  # last diagonals i + j of the cosine transform of a complete block
_MOST = 40_000  # blocks that are looked at; more would not make the estimate better
_FEW = 400  # blocks; a small image is cut into more of them, which overlap more
_KNOWN = 14  # pixels that a block with holes should know
_LARGEST = 32  # side of a block with holes; beyond, an image is not smooth


@dataclass(frozen=True)
class Bands:
    """Mean squares of blocks, each (N,), float64; white noise has its variance in every band, independently.

    Attributes:
        mean: the blocks' mean intensity.
        low: smooth shading, edges, coarse texture.
        middle: finer texture.
        high: the finest, where images have least.
        freedom: how many numbers `high` averages, (N,).
        independent: how many blocks that do not overlap would say as much, as a share of N.
        gaps: how far apart the known pixels are: 0 in complete blocks, else the blocks' side over 8, less 3/4.
    """

    mean: Tensor
    low: Tensor
    middle: Tensor
    high: Tensor
    freedom: Tensor
    independent: float
    gaps: float


def bands_of(image: Tensor, known: Tensor) -> Bands | None:
    """Cut an image into overlapping blocks and measure them.

    A complete block is transformed by the orthonormal cosine transform, and the bands are sets of its
    coefficients. Where too few blocks are complete, the known pixels of each are fitted, by least squares, by the
    lowest cosines and by some more: what each fit takes up is a band, and the residual is the highest.

    Args:
        image: one channel, (H, W), float64, finite.
        known: which pixels carry data, (H, W), boolean.

    Returns:
        None when the image is too small or knows too few pixels.
    """
    if min(image.shape) < SIDE:
        return None
    stride = _stride(image.shape, SIDE)
    whole = _cut(known, SIDE, stride).all(1)
    if int(whole.sum()) >= min(_FEW, len(whole) // 2 + 1):
        return _complete(_cut(image, SIDE, stride)[whole], stride)
    return _with_holes(image, known)


def _complete(blocks: Tensor, stride: int) -> Bands:
    cosines, order = _cosines(SIDE)
    squares = (blocks @ cosines.T).square()
    high = order > _MIDDLE
    return Bands(
        mean=blocks.mean(1),
        low=squares[:, (order >= 1) & (order <= _LOW)].mean(1),
        middle=squares[:, (order > _LOW) & ~high].mean(1),
        high=squares[:, high].mean(1),
        freedom=torch.full((len(blocks),), float(high.sum()), dtype=torch.float64),
        independent=_independent(stride, SIDE),
        gaps=0.0,
    )


def _with_holes(image: Tensor, known: Tensor) -> Bands | None:
    side = SIDE
    share = float(known.double().mean())
    while share * side**2 < _KNOWN and side < min(_LARGEST, *image.shape):
        side = min(side + 4, *image.shape)
    stride = _stride(image.shape, side, most=_MOST // 4)
    mask = _cut(known, side, stride)
    count = mask.sum(1)
    enough = count >= max(_KNOWN - 6, int(0.75 * share * side**2))
    if not bool(enough.any()):
        return None
    mask, count = mask[enough].double(), count[enough].double()
    values = _cut(image, side, stride)[enough]
    mean = (values * mask).sum(1) / count
    values = (values - mean[:, None]) * mask
    cosines, order = _cosines(side)
    first, second = _orders(float(count.min()))
    low = _fitted(values, mask, cosines[order <= first])
    both = _fitted(values, mask, cosines[order <= second])
    lower, upper = int((order <= first).sum()), int((order <= second).sum())
    high = (values.square().sum(1) - both).clamp_min(0)
    return Bands(
        mean=mean,
        low=low / (lower - 1),
        middle=(both - low).clamp_min(0) / (upper - lower),
        high=high / (count - upper),
        freedom=count - upper,
        independent=_independent(stride, side),
        gaps=side / SIDE - 0.75,
    )


def _orders(count: float) -> tuple[int, int]:
    """Last diagonals of the two fits: about a third and two thirds of the known pixels' number."""
    sizes = [(t + 1) * (t + 2) // 2 for t in range(_MIDDLE + 1)]
    second = max((t for t in range(2, _MIDDLE + 1) if sizes[t] <= 0.65 * count), default=2)
    first = max((t for t in range(1, second) if sizes[t] <= 0.4 * sizes[second]), default=1)
    return first, second


def _fitted(values: Tensor, mask: Tensor, basis: Tensor) -> Tensor:
    """Energy (N,) that the least-squares fit of a basis (p, n) takes up of the known values (N, n), 0 elsewhere."""
    size = len(basis)
    products = (basis[:, None] * basis[None]).reshape(size * size, -1)
    gram = (mask @ products.T).reshape(-1, size, size)
    gram += 1e-9 * torch.eye(size, dtype=torch.float64)
    right = (values @ basis.T)[..., None]
    factor, _ = torch.linalg.cholesky_ex(gram)
    return (right * torch.cholesky_solve(right, factor)).sum((1, 2))


def _cosines(side: int) -> tuple[Tensor, Tensor]:
    """The orthonormal two-dimensional cosines, (side^2, side^2), one a row, and the diagonal i + j of each."""
    k = torch.arange(side, dtype=torch.float64)
    line = torch.cos(math.pi / side * k[:, None] * (k + 0.5)) * math.sqrt(2 / side)
    line[0] /= math.sqrt(2)
    return torch.kron(line, line), (k[:, None] + k).flatten().long()


def _stride(shape: tuple[int, ...], side: int, most: int = _MOST) -> int:
    """How far apart blocks begin: half a block, less in a small image, more in a big one."""

    def blocks(stride: int) -> int:
        return math.prod((n - side) // stride + 1 for n in shape)

    stride = side // 2
    while stride > 1 and blocks(stride) < _FEW:
        stride //= 2
    while blocks(stride) > most:
        stride += 1
    return stride


def _independent(stride: int, side: int) -> float:
    """Blocks half over each other are independent at high frequencies, as seen in pure noise."""
    return min(1.0, 5 * (stride / side) ** 2)


def _cut(image: Tensor, side: int, stride: int) -> Tensor:
    """Every block as a row, (N, side^2)."""
    blocks = image.unfold(0, side, stride).unfold(1, side, stride)
    return blocks.reshape(-1, side * side)
