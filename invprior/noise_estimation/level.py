"""The noise's variance from the smoothest blocks of an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invprior.noise_estimation.bands import Bands

_SMOOTH = 0.1  # share of the blocks that counts, the smoothest
_FEWEST = 16  # blocks; fewer say nothing
_ROUNDS = 12
# The constants below were chosen on scikit-image's images, see benchmarks/noise_estimate.py.
_LEAKAGE = 0.4  # of what texture adds at middle frequencies is found at high ones too
_MOST = 0.6  # share of the variance that is taken off at most
_ROUGH = 1.5  # mean square at low over high frequencies of the smoothest blocks, from which texture fills the image
_LEAST = 0.04  # uncertainty from texture in any image


@dataclass(frozen=True)
class Level:
    """The scale s of noise whose variance in a block is s times the block's share.

    Attributes:
        scale: s.
        chance: relative uncertainty of s from the number of blocks.
        texture: relative uncertainty of s from the image: half of what was taken off for texture, texture that fills
            even the smoothest blocks, and how far apart the known pixels are, between which the image changes.
    """

    scale: float
    chance: float
    texture: float


def together(levels: Sequence[Level]) -> tuple[float, float]:
    """The mean of s over the channels, and its relative uncertainty; their chances are independent, textures not."""
    count = len(levels)
    chance = sum(level.chance**2 for level in levels) / count**2
    texture = sum(level.texture**2 for level in levels) / count
    return sum(level.scale for level in levels) / count, math.sqrt(chance + texture)


def level_of(
    bands: Bands,
    share: Callable[[float], Tensor],
    least: tuple[float, float] = (0.85, 0.5),
) -> Level | None:
    """Find the scale of the noise.

    Smooth blocks are those with little at low frequencies. In white Gaussian noise the bands are independent, so the
    choice adds no bias; in an image it leaves out edges and most of the texture. Texture weakens towards high
    frequencies, while noise does not: where there is more at middle frequencies than at high ones, 0.4 of the
    difference is taken off.

    Args:
        bands: the blocks.
        share: the noise's variance in every block, (N,), over s, for a guess of s; 0 where a block must not count.
        least: blocks of a smaller share than this part of the largest do not count; the second figure holds where the
            first leaves few.

    Returns:
        None when fewer than 16 blocks count.
    """
    scale, found = float(bands.high.median()), None
    for _ in range(_ROUNDS):
        found = _round(bands, share(max(scale, 1e-12)), least)
        if found is None or abs(found.scale - scale) <= 1e-4 * scale:
            break
        scale = found.scale
    return found


def _round(bands: Bands, share: Tensor, least: tuple[float, float]) -> Level | None:
    most = float(share.max())
    usable = share > least[0] * most
    if int(usable.sum()) < _FEWEST / _SMOOTH:
        usable = share > least[1] * most
    count = int(usable.sum())
    if count < _FEWEST:
        return None
    rank = torch.where(usable, bands.low / share, torch.inf)
    smooth = rank <= rank.kthvalue(max(_FEWEST, int(_SMOOTH * count))).values
    share, weights = share[smooth], bands.freedom[smooth]
    high, middle, low = bands.high[smooth], bands.middle[smooth], bands.low[smooth]
    total = float((weights * share).sum())
    scale = float((weights * high).sum()) / total
    if scale <= 0:
        return Level(0.0, 0.0, 0.0)
    squares = float((weights * (high - scale * share)).square().sum())
    chance = math.sqrt(squares / bands.independent) / (scale * total)
    excess = float((weights * middle).sum()) / total / scale - 1
    texture = min(_LEAKAGE * max(excess - 2 * chance, 0.0), _MOST)
    left = scale * (1 - texture)
    roughness = float((weights * low).sum()) / total / left
    faults = (
        _LEAST,
        texture / 2 / (1 - texture),
        0.25 * max(roughness - _ROUGH, 0.0),
        0.2 * bands.gaps,
    )
    return Level(left, chance / (1 - texture), math.hypot(*faults))
