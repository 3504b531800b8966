"""The energy of an image's blocks at low, middle and high frequencies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from invprior.noise_estimation.constant_areas import constant_areas

SIDE = 8  # side of a block in pixels; larger where pixels are missing
_LOW, _MIDDLE = 7, 10  # last diagonals i + j of the bands in a complete block's cosine transform
_MOST = 40_000  # largest number of blocks; more would not improve the estimate
_FEW = 400  # with fewer blocks, the blocks of a small image overlap more
_KNOWN = 14  # known pixels that an incomplete block should have
_LARGEST = 32  # largest side of an incomplete block; an image is not smooth over more


@dataclass(frozen=True)
class Bands:
    """Mean squares of N blocks in three bands, each (N,), float64.

    In every band, the mean square of white noise is its variance, independently of the other bands.

    Attributes:
        mean: mean intensity of each block.
        low: smooth shading, edges and coarse texture.
        middle: finer texture.
        high: the highest frequencies, where images have the least energy.
        degrees_of_freedom: number of values whose mean square is `high`, (N,).
        independent: number of independent blocks with the same information, as a fraction of N.
        gaps: distance of the known pixels: 0 in complete blocks, else the blocks' side / 8 - 3/4.
    """

    mean: Tensor
    low: Tensor
    middle: Tensor
    high: Tensor
    degrees_of_freedom: Tensor
    independent: float
    gaps: float


def bands_of(image: Tensor, known: Tensor) -> Bands | None:
    """Cut an image into overlapping blocks and measure their bands.

    Complete blocks take the orthonormal cosine transform, and the bands are sets of its coefficients. When too few
    blocks are complete, the known pixels of each block are fitted by least squares twice: with the lowest cosines, and
    with some more. The energy of the first fit is the low band, what the second fit adds is the middle band, and the
    residual is the high band. Pixels of `constant_areas` count as missing.

    Args:
        image: one channel, (H, W), float64, finite.
        known: which pixels carry data, (H, W), boolean.

    Returns:
        The bands, or None when the image is too small or has too few known pixels.
    """
    if min(image.shape) < SIDE:
        return None
    stride = _stride(image.shape, SIDE)
    constant = constant_areas(image, known)
    known = known & ~constant
    complete = _cut(known, SIDE, stride).all(1)
    # Blocks of nothing but a constant area are as if the image ended before them.
    blocks = int((~_cut(constant, SIDE, stride).all(1)).sum())
    if int(complete.sum()) >= min(_FEW, blocks // 2 + 1):
        return _complete(_cut(image, SIDE, stride)[complete], stride)
    return _incomplete(image, known, int(known.sum()) / int((~constant).sum()))


def _complete(blocks: Tensor, stride: int) -> Bands:
    cosines, order = _cosines(SIDE)
    squares = (blocks @ cosines.T).square()
    high = order > _MIDDLE
    return Bands(
        mean=blocks.mean(1),
        # Diagonal 0 is the mean, which is no noise.
        low=squares[:, (order >= 1) & (order <= _LOW)].mean(1),
        middle=squares[:, (order > _LOW) & ~high].mean(1),
        high=squares[:, high].mean(1),
        degrees_of_freedom=torch.full((len(blocks),), float(high.sum()), dtype=torch.float64),
        independent=_independent(stride, SIDE),
        gaps=0.0,
    )


def _incomplete(image: Tensor, known: Tensor, share: float) -> Bands | None:
    # Larger blocks where known pixels are few, until a block has enough of them for two fits.
    side = SIDE
    while share * side**2 < _KNOWN and side < min(_LARGEST, *image.shape):
        side = min(side + 4, *image.shape)
    stride = _stride(image.shape, side, most=_MOST // 4)  # a fit costs more than a transform
    mask = _cut(known, side, stride)
    count = mask.sum(1)
    enough = count >= max(_KNOWN - 6, int(0.75 * share * side**2))
    if not bool(enough.any()):
        return None
    mask, count = mask[enough].double(), count[enough].double()
    values = _cut(image, side, stride)[enough]
    mean = (values * mask).sum(1) / count
    values = (values - mean[:, None]) * mask  # 0 at missing pixels, as `_fitted` requires
    cosines, order = _cosines(side)
    first, second = _orders(float(count.min()))
    low = _fitted(values, mask, cosines[order <= first])
    both = _fitted(values, mask, cosines[order <= second])
    lower, upper = int((order <= first).sum()), int((order <= second).sum())
    high = (values.square().sum(1) - both).clamp_min(0)
    return Bands(
        mean=mean,
        low=low / (lower - 1),  # the mean has taken one degree of freedom
        middle=(both - low).clamp_min(0) / (upper - lower),
        high=high / (count - upper),
        degrees_of_freedom=count - upper,
        independent=_independent(stride, side),
        gaps=side / SIDE - 0.75,
    )


def _orders(count: float) -> tuple[int, int]:
    """Return the last diagonals of the two fits, for a third and two thirds of the known pixels."""
    sizes = [(t + 1) * (t + 2) // 2 for t in range(_MIDDLE + 1)]
    second = max((t for t in range(2, _MIDDLE + 1) if sizes[t] <= 0.65 * count), default=2)
    first = max((t for t in range(1, second) if sizes[t] <= 0.4 * sizes[second]), default=1)
    return first, second


def _fitted(values: Tensor, mask: Tensor, basis: Tensor) -> Tensor:
    """Return the energy, (N,), of the least-squares fit of a basis (p, n) to values (N, n), 0 where unknown."""
    size = len(basis)
    products = (basis[:, None] * basis[None]).reshape(size * size, -1)
    gram = (mask @ products.T).reshape(-1, size, size)
    # The known pixels of a block may not determine all coefficients.
    gram += 1e-9 * torch.eye(size, dtype=torch.float64)
    right = (values @ basis.T)[..., None]
    factor, _ = torch.linalg.cholesky_ex(gram)
    return (right * torch.cholesky_solve(right, factor)).sum((1, 2))


def _cosines(side: int) -> tuple[Tensor, Tensor]:
    """Return the orthonormal 2-D cosines as rows, (side^2, side^2), and the diagonal i + j of each."""
    k = torch.arange(side, dtype=torch.float64)
    line = torch.cos(math.pi / side * k[:, None] * (k + 0.5)) * math.sqrt(2 / side)
    line[0] /= math.sqrt(2)
    return torch.kron(line, line), (k[:, None] + k).flatten().long()


def _stride(shape: tuple[int, ...], side: int, most: int = _MOST) -> int:
    """Return the step between blocks: half a block, less in a small image, more in a large one."""

    def blocks(stride: int) -> int:
        return math.prod((n - side) // stride + 1 for n in shape)

    stride = side // 2
    while stride > 1 and blocks(stride) < _FEW:
        stride //= 2
    while blocks(stride) > most:
        stride += 1
    return stride


def _independent(stride: int, side: int) -> float:
    """Return the fraction of the blocks that counts as independent at high frequencies."""
    # Calibrated on pure noise, where blocks that overlap by half are independent.
    return min(1.0, 5 * (stride / side) ** 2)


def _cut(image: Tensor, side: int, stride: int) -> Tensor:
    """Return every block as a row, (N, side^2)."""
    blocks = image.unfold(0, side, stride).unfold(1, side, stride)
    return blocks.reshape(-1, side * side)
