"""Estimate the gain of photon noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from invprior.noise_estimation.bands import Bands, bands_of
from invprior.noise_estimation.base import DOUBTFUL, NoiseEstimate
from invprior.noise_estimation.clipping import limits
from invprior.noise_estimation.gaussian import NOT_SMOOTH, no_estimate, prepare, rows_of
from invprior.noise_estimation.level import Level, level_of, pooled
from invprior.noise_estimation.rows import level_of_rows
from invprior.noise_estimation.steps import rounding

_ASSUMED = 255.0  # counts over the range of a measurement that shows too little
_DARK = 1e-3  # fraction of the brightest block's mean, below which a block does not count
_MARGIN = 3  # standard deviations that a block's mean must lie below the largest value
_APART = 1.5  # smallest ratio of the bright to the dark half's mean that can separate the two kinds of noise
_CONSTANT = 0.5  # constant share of the variance above which the noise is not photon noise
_CLEAR = 3  # standard deviations by which the line must miss 0 to show a pedestal
_AROUND = 9  # samples of a row whose mean tells the noise in their middle
_HALVINGS = 8  # of the interval that holds the pedestal


def estimate_poisson(
    y: Tensor, observation_mask: Tensor | None = None, offset: float = 0.0
) -> NoiseEstimate:
    """Estimate the gain of noise whose variance is the gain times the mean above an offset.

    Each smooth block gives a variance, from its high frequencies, and a mean. The gain is the ratio of their sums. The
    estimate of an image is doubtful when the line through the variances of the bright and of the dark half is far from
    0 at the offset: above it for noise that is the same at every intensity, below it for a camera with a pedestal.

    Args:
        y: one measurement, (1, C, H, W), in any units; (y - offset) / gain are counts. An image of fewer than 8 rows or
            columns, such as a signal, is taken row by row, by `level_of_rows`.
        observation_mask: which entries carry data, boolean, broadcasts to y; None means all.
        offset: the value of y without light, in y's units.

    Returns:
        The estimate, with `peak`, one over the gain. Its sigma is the root mean square over the measurement.

    Source: the mean-variance line of Foi et al. 2008, "Practical Poissonian-Gaussian noise modeling and fitting for
    single-image raw-data", IEEE Trans. Image Processing 17, without its segmentation.
    """
    values, known, step = prepare(y, observation_mask)
    values = values - offset
    if y.dim() == 4 and min(y.shape[2:]) < 8:
        found = _from_rows(rows_of(values), rows_of(known), step)
        if found is not None:
            return found
    pairs = (
        list(zip(values.flatten(0, 1), known.flatten(0, 1), strict=True)) if y.dim() == 4 else []
    )
    blocks = [cut for pair in pairs if (cut := _blocks(*pair)) is not None]
    gains = [level for cut in blocks if (level := _gain(*cut)) is not None]
    lit = values[known].clamp_min(0)
    mean = float(lit.mean()) if len(lit) else 0.0
    if mean <= 0 or not gains:
        why = (
            "the measurement shows no light"
            if mean <= 0
            else "the measurement is no image of at least 8 x 8 pixels, or too little of it is known"
        )
        spread = float(values[known].max() - values[known].min()) if len(lit) else 0.0
        return replace(
            no_estimate(max(len(pairs), 1), step),
            peak=1 / max(step, spread / _ASSUMED),
            doubt=f"{why}, so {_ASSUMED:g} counts over its range are assumed",
        )
    pooled_gain, error = pooled(gains)
    gain = max(pooled_gain, rounding(step) ** 2 / mean)
    return NoiseEstimate(
        sigma=math.sqrt(gain * mean),
        channels=tuple(
            math.sqrt(gain * float(image[on].clamp_min(0).mean())) if bool(on.any()) else 0.0
            for image, on in pairs
        ),
        uncertainty=error,
        method="variance over mean of the smoothest blocks",
        step=step,
        peak=1 / gain,
        doubt=_doubt(blocks, offset),
    )


def _from_rows(y: Tensor, known: Tensor, step: float) -> NoiseEstimate | None:
    """Estimate the gain from rows of samples; None where they are too few, or show no light."""
    around = y.new_ones(1, 1, _AROUND)
    sums, counts = (
        torch.nn.functional.conv1d(t.double()[:, None], around, padding=_AROUND // 2)[:, 0]
        for t in (y * known, known)
    )
    means = sums / counts.clamp_min(1)
    lit = known & (means > _DARK * means.max().clamp_min(0))
    level = level_of_rows(y, lit, means.clamp_min(0).sqrt()) if bool(lit.any()) else None
    if level is None or level.sigma == 0:
        return None
    mean = float(y[known].clamp_min(0).mean())
    gain = max(level.sigma**2, rounding(step) ** 2 / mean)
    sigma = math.sqrt(gain * mean)
    doubt = NOT_SMOOTH if level.uncertainty > DOUBTFUL else None
    if mean < gain:  # most samples are 0, and the counts of the others count as jumps
        doubt = "it has less than one count in a sample"
    return NoiseEstimate(
        sigma=sigma,
        channels=(sigma,),
        uncertainty=2 * level.uncertainty,  # of a square
        method="differences of successive samples, over the mean around them",
        step=step,
        peak=1 / gain,
        doubt=doubt,
    )


@dataclass(frozen=True)
class _Line:
    """The line through (mean, variance) of the dark and of the bright half of a channel, above the offset.

    Attributes:
        intercept: variance at 0; negative for a pedestal.
        error: standard deviation of the intercept.
        middle: variance in the middle of the line.
    """

    intercept: float
    error: float
    middle: float


def _doubt(channels: list[tuple[Bands, float]], offset: float) -> str | None:
    """Return why the noise is no photon noise above the offset, as a clause; else None."""
    share, deviations = _intercept(channels, 0.0)
    if share > _CONSTANT:
        return "the noise does not grow with the intensity as photon noise does"
    if deviations > -_CLEAR:
        return None
    # The pedestal is where the line ends at 0. The darkest block is above it.
    low, high = 0.0, max(float(bands.mean.min()) for bands, _ in channels)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _intercept(channels, middle)[0] < 0 else (low, middle)
    pedestal = float(f"{offset + low:.2g}")
    return (
        f"it vanishes at an intensity of about {pedestal:g} instead of {offset:g}, as with the pedestal of a camera "
        f"(poisson:offset={pedestal:g})"
    )


def _intercept(channels: list[tuple[Bands, float]], pedestal: float) -> tuple[float, float]:
    """Return the variance at a pedestal, as a share of that in the middle of the line and in standard deviations.

    Both are means over the channels, and 0 where no channel has a line.
    """
    found = [
        line
        for bands, top in channels
        if (line := _line(replace(bands, mean=bands.mean - pedestal), top - pedestal)) is not None
    ]
    count = max(len(found), 1)
    return (
        sum(line.intercept / line.middle for line in found) / count,
        sum(line.intercept / line.error for line in found) / count,
    )


def _blocks(image: Tensor, known: Tensor) -> tuple[Bands, float] | None:
    """Return the blocks of a channel and its clipping limit."""
    bands = bands_of(image, known)
    return None if bands is None else (bands, limits(image[known])[1])


def _gain(bands: Bands, top: float, among: Tensor | None = None) -> Level | None:
    """Estimate the gain from the blocks, or from some of them."""
    lit = _lit(bands)
    if among is not None:
        lit &= among

    def share(gain: float) -> Tensor:
        # Clipped blocks have too little variance, and their mean is wrong.
        free = bands.mean + _MARGIN * (gain * bands.mean.clamp_min(0)).sqrt() < top
        return torch.where(lit & free, bands.mean, 0.0)

    return level_of(bands, share, least=(0.0, 0.0))


def _lit(bands: Bands) -> Tensor:
    return bands.mean > _DARK * bands.mean.max().clamp_min(0)


def _line(bands: Bands, top: float) -> _Line | None:
    """Return the line through the dark and the bright half; None when they are too close or too small."""
    lit = _lit(bands)
    if not bool(lit.any()):
        return None
    middle = bands.mean[lit].median()
    dark, bright = lit & (bands.mean <= middle), lit & (bands.mean > middle)
    low, high = _gain(bands, top, dark), _gain(bands, top, bright)
    if low is None or high is None:
        return None
    left, right = float(bands.mean[dark].mean()), float(bands.mean[bright].mean())
    below, above = left * low.scale, right * high.scale
    if right < _APART * left or below + above <= 0:
        return None
    errors = (
        below * math.hypot(low.chance, low.texture) * right,
        above * math.hypot(high.chance, high.texture) * left,
    )
    return _Line(
        intercept=below - left * (above - below) / (right - left),
        error=math.hypot(*errors) / (right - left),
        middle=(below + above) / 2,
    )
