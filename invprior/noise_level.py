"""How strong the noise in a measurement is, from the measurement alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

QUANTISATION = 1 / (255 * math.sqrt(12))  # the rounding error of an 8-bit file: no sigma below it
SMOOTH = 0.1  # share of the blocks that counts, the smoothest
FEWEST = 32  # blocks; fewer say nothing


def estimate_sigma(y: Tensor, observed: Tensor | None = None) -> float:
    """Estimate the standard deviation of white noise.

    The picture is cut into blocks of 2 x 2 pixels, each turned into a mean and three details by the
    orthonormal Haar transform. Noise is read from the diagonal detail, its mean absolute value,
    over the tenth of the blocks that have the smoothest surroundings, where smooth means little
    horizontal and vertical detail. In white Gaussian noise the three details are independent, so
    the choice adds no bias; in a picture it leaves out most of the texture, which other estimates
    take for noise. What texture fills the whole picture still counts as noise.

    Blocks with missing pixels are left out, and so are those with or beside a pixel of the lowest
    or highest value of its channel, which may be clipped. With fewer than 32 blocks left the
    quantisation step is returned: give sigma then. A measurement that is no picture is treated as
    rows of samples of a smooth signal, which is a crude guess.

    Args:
        y: measurements, (B, C, H, W), or (B, ...) of another shape.
        observed: which entries carry data, boolean, broadcasts to y; None means all. Entries that
            are not finite never count.

    Returns:
        sigma over all channels, in y's units, at least the error of rounding to 8 bits.
    """
    known = y.isfinite() if observed is None else y.isfinite() & observed.to(y.device)
    y = y.detach().masked_fill(~known, 0)
    if y.dim() == 4 and min(y.shape[2:]) >= 2:
        sigma = _from_blocks(y, known)
    else:
        sigma = _from_rows(y.flatten(0, -2), known.flatten(0, -2))
    return max(sigma, QUANTISATION)


def _from_blocks(y: Tensor, known: Tensor) -> float:
    clipped = torch.stack(_corners(_extreme(y, known))).any(0)
    beside_clipped = max_pool2d(clipped.to(y), 3, 1, 1) > 0
    whole = torch.stack(_corners(known)).all(0) & ~beside_clipped
    a, b, c, d = _corners(y)
    across, down, diagonal = (a - b + c - d) / 2, (a + b - c - d) / 2, (a - b - c + d) / 2
    texture = avg_pool2d((across**2 + down**2) * whole, 3, 1, 1)
    texture = texture / avg_pool2d(whole.to(y), 3, 1, 1).clamp_min(0.1)  # at least 1/9 where whole
    texture, diagonal = texture[whole], diagonal[whole]
    blocks = texture.numel()
    if blocks < FEWEST:
        return 0.0
    least = texture.kthvalue(max(FEWEST, int(SMOOTH * blocks))).values
    return _gaussian_sigma(diagonal[texture <= least])


def _from_rows(y: Tensor, known: Tensor) -> float:
    bend = (y[..., :-2] - 2 * y[..., 1:-1] + y[..., 2:]) / math.sqrt(6)
    bend = bend[known[..., :-2] & known[..., 1:-1] & known[..., 2:]]
    return _gaussian_sigma(bend) if bend.numel() >= FEWEST else 0.0


def _gaussian_sigma(samples: Tensor) -> float:
    """Standard deviation of Gaussian samples by their mean absolute value.

    Less moved by outliers than the root mean square; a median would see the steps of 8-bit data.
    """
    return float(samples.abs().mean()) * math.sqrt(math.pi / 2)


def _extreme(y: Tensor, known: Tensor) -> Tensor:
    """Which pixels have the lowest or highest known value of their channel."""
    lowest = y.masked_fill(~known, math.inf).amin((-2, -1), keepdim=True)
    highest = y.masked_fill(~known, -math.inf).amax((-2, -1), keepdim=True)
    return known & ((y == lowest) | (y == highest))


def _corners(y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four pixels of every 2 x 2 block, each (B, C, H // 2, W // 2)."""
    y = y[..., : y.shape[-2] // 2 * 2, : y.shape[-1] // 2 * 2]
    top, bottom = y[..., ::2, :], y[..., 1::2, :]
    return top[..., ::2], top[..., 1::2], bottom[..., ::2], bottom[..., 1::2]
