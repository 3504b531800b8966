"""Estimate the gain of photon noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from invprior.noise_estimation.bands import bands_of
from invprior.noise_estimation.base import QUANTISATION, NoiseEstimate
from invprior.noise_estimation.clipping import limits
from invprior.noise_estimation.gaussian import no_estimate, prepare
from invprior.noise_estimation.level import Level, level_of, pooled

_ASSUMED = 255.0  # the peak for a measurement without light
_DARK = 1e-3  # fraction of the brightest block's mean, below which a block does not count
_MARGIN = 3  # standard deviations that a block's mean must lie below the largest value
_APART = 1.5  # smallest ratio of the bright to the dark half's mean that can separate the two kinds of noise
_CONSTANT = 0.5  # constant share of the variance above which the noise is not photon noise


def estimate_poisson(y: Tensor, observation_mask: Tensor | None = None) -> NoiseEstimate:
    """Estimate the gain 1 / peak of noise whose variance is the mean times the gain.

    Each smooth block gives a variance, from its high frequencies, and a mean. The gain is the ratio of their sums. The
    estimate is doubtful when the line through the variances of the bright and of the dark half misses 0.

    Args:
        y: one measurement, (1, C, H, W), in intensities; the count at intensity 1 is `peak`.
        observation_mask: which entries carry data, boolean, broadcasts to y; None means all.

    Returns:
        The estimate. Its sigma is the root mean square over the measurement.

    Source: the mean-variance line of Foi et al. 2008, "Practical Poissonian-Gaussian noise modeling and fitting for
    single-image raw-data", IEEE Trans. Image Processing 17, without its segmentation.
    """
    values, known = prepare(y, observation_mask)
    pairs = (
        list(zip(values.flatten(0, 1), known.flatten(0, 1), strict=True)) if y.dim() == 4 else []
    )
    found = [one for pair in pairs if (one := _channel(*pair)) is not None]
    mean = float(values[known].clamp_min(0).mean()) if bool(known.any()) else 0.0
    if mean <= 0 or not found:
        why = (
            "the measurement shows no light"
            if mean <= 0
            else "the measurement is no image of at least 8 x 8 pixels, or too little of it is known"
        )
        return replace(
            no_estimate(max(len(pairs), 1)),
            peak=_ASSUMED,
            doubt=f"{why}, so {_ASSUMED:g} is assumed",
        )
    gain, error = pooled([one.level for one in found])
    gain = max(gain, QUANTISATION**2 / mean)
    constant = [one.constant for one in found if one.constant is not None]
    doubtful = bool(constant) and sum(constant) / len(constant) > _CONSTANT
    return NoiseEstimate(
        sigma=math.sqrt(gain * mean),
        channels=tuple(
            math.sqrt(gain * float(image[on].clamp_min(0).mean())) if bool(on.any()) else 0.0
            for image, on in pairs
        ),
        uncertainty=error,
        method="variance over mean of the smoothest blocks",
        peak=1 / gain,
        doubt="the noise does not grow with the intensity as photon noise does"
        if doubtful
        else None,
    )


@dataclass(frozen=True)
class _Gain:
    """A channel's gain, and the constant share of its variance; None when that cannot be determined."""

    level: Level
    constant: float | None


def _channel(image: Tensor, known: Tensor) -> _Gain | None:
    bands = bands_of(image, known)
    if bands is None or float(bands.mean.max()) <= 0:
        return None
    top = limits(image[known])[1]
    lit = bands.mean > _DARK * bands.mean.max()
    middle = bands.mean[lit].median()

    def gain_of(blocks: Tensor) -> Level | None:
        def share(gain: float) -> Tensor:
            # Clipped blocks have too little variance, and their mean is wrong.
            free = bands.mean + _MARGIN * (gain * bands.mean.clamp_min(0)).sqrt() < top
            return torch.where(blocks & free, bands.mean, 0.0)

        return level_of(bands, share, least=(0.0, 0.0))

    whole = gain_of(lit)
    if whole is None:
        return None
    # Two brightnesses tell a variance that grows with the mean from one that does not.
    halves = [
        (half, gain_of(half))
        for half in (lit & (bands.mean <= middle), lit & (bands.mean > middle))
    ]
    points = [
        (float(bands.mean[half].mean()), level.scale) for half, level in halves if level is not None
    ]
    return _Gain(whole, _constant(points) if len(points) == 2 else None)


def _constant(points: list[tuple[float, float]]) -> float | None:
    """Return the constant share of the variance, from (mean, gain) of a dark and a bright half."""
    (dark, dark_gain), (bright, bright_gain) = points
    low, high = dark * dark_gain, bright * bright_gain
    if bright < _APART * dark or low + high <= 0:
        return None
    offset = low - dark * (high - low) / (bright - dark)
    return 2 * offset / (low + high)
