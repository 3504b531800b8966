"""Estimate the variance of the noise from the smoothest blocks of an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invprior.noise_estimation.bands import Bands

_SMOOTH = 0.1  # the smoothest tenth of the blocks counts
_FEWEST = 16  # blocks; with fewer there is no estimate
_ROUNDS = 12
# The constants below were chosen on scikit-image's images, see benchmarks/noise_estimate.py.
_LEAKAGE = 0.4  # part of texture's excess at middle frequencies that is also present at high ones
_MOST = 0.6  # largest share of the variance that is subtracted as texture
_ROUGH = 1.5  # ratio of low to high frequencies in the smoothest blocks above which texture fills the image
_QUIET = 0.02  # share of the blocks that may be free of texture in a textured image
_FEWEST_QUIET = 8  # blocks
_LEAST = 0.04  # smallest uncertainty from texture, in any image


@dataclass(frozen=True)
class Level:
    """The scale s of noise whose variance in each block is s times the block's share.

    Attributes:
        scale: s.
        chance: relative uncertainty of s from the number of blocks.
        texture: relative uncertainty of s from the image. It contains half of what was subtracted as texture, texture
            in the smoothest blocks, and the distance of the known pixels, between which the image changes.
    """

    scale: float
    chance: float
    texture: float


def pooled(levels: Sequence[Level]) -> tuple[float, float]:
    """Return the mean of s over the channels and its relative uncertainty."""
    count = len(levels)
    # Chance is independent in each channel and averages out. Texture is common to all channels.
    chance = sum(level.chance**2 for level in levels) / count**2
    texture = sum(level.texture**2 for level in levels) / count
    return sum(level.scale for level in levels) / count, math.sqrt(chance + texture)


def level_of(
    bands: Bands,
    share: Callable[[float], Tensor],
    least: tuple[float, float] = (0.85, 0.5),
) -> Level | None:
    """Estimate the scale of the noise.

    Smooth blocks are those with little energy at low frequencies. In white Gaussian noise the bands are independent, so
    this selection adds no bias. In an image it leaves out edges and most of the texture. Texture weakens towards high
    frequencies and noise does not. When the middle band exceeds the high band, 0.4 of the difference is therefore
    subtracted.

    Args:
        bands: the blocks.
        share: returns the noise's variance in every block divided by s, (N,), for an estimate of s, which may be 0;
            0 for blocks that must not count.
        least: blocks whose share is below this fraction of the largest do not count. The second value applies when the
            first leaves too few.

    Returns:
        The level, or None when fewer than 16 blocks count.
    """
    # A fixed point: with clipped values, the share of each block depends on the scale itself.
    first, found = share(0.0), None
    usable = first > least[1] * first.max()
    if not bool(usable.any()):
        return None
    # Over the share, so that the start is in the units of s.
    scale = float((bands.high[usable] / first[usable]).median())
    for _ in range(_ROUNDS):
        found = _round(bands, share(scale), least)
        if found is None or abs(found.scale - scale) <= 1e-4 * scale:
            break
        scale = found.scale
    return found


def quietest(bands: Bands, share: Tensor) -> float:
    """Bound the scale of the noise by the complete blocks with the least energy at high frequencies.

    Texture only adds energy. White noise alone spreads the blocks as a chi-squared distribution does, so that the mean
    of the quietest 2 % is a known part of s. In an image that is textured but for a few blocks, this is far closer than
    `level_of`; in any other it is less exact.

    Args:
        bands: the blocks.
        share: the noise's variance in every block divided by s, (N,).
    """
    # SciPy takes long to import, and few images come here.
    from scipy.special import gammainc, gammaincinv

    usable = share > 0.85 * share.max()
    high = (bands.high[usable] / share[usable]).sort().values
    count = max(_FEWEST_QUIET, int(_QUIET * len(high)))
    if bands.gaps or len(high) <= count:
        return math.inf
    half, part = float(bands.degrees_of_freedom[0]) / 2, count / len(high)
    expected = gammainc(half + 1, gammaincinv(half, part)) / part
    return float(high[:count].mean() / expected)


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
    share, weights = share[smooth], bands.degrees_of_freedom[smooth]
    high, middle, low = bands.high[smooth], bands.middle[smooth], bands.low[smooth]
    total = float((weights * share).sum())
    scale = float((weights * high).sum()) / total
    if scale <= 0:
        return Level(0.0, 0.0, 0.0)
    squares = float((weights * (high - scale * share)).square().sum())
    chance = math.sqrt(squares / bands.independent) / (scale * total)
    excess = float((weights * middle).sum()) / total / scale - 1
    # Two deviations of chance are left out, or noise alone would look like texture.
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
