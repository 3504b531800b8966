"""The gain of photon noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from invprior.noise_estimation.bands import bands_of
from invprior.noise_estimation.base import QUANTISATION, NoiseEstimate
from invprior.noise_estimation.clipping import limits
from invprior.noise_estimation.gaussian import nothing, prepared
from invprior.noise_estimation.level import Level, level_of, together

_GUESS = 255.0  # the peak when nothing can be seen
_DARK = 1e-3  # of the brightest block: darker ones say nothing about the growth
_MARGIN = 3  # standard deviations below the limit of the values
_APART = 1.5  # how much brighter the bright half must be than the dark one to tell the two kinds of noise apart
_CONSTANT = 0.5  # share of the variance that does not grow with the intensity, from which it is no photon noise


def estimate_poisson(y: Tensor, observation_mask: Tensor | None = None) -> NoiseEstimate:
    """Estimate the gain of noise whose variance is the mean over `peak`, as that of counts over their scale.

    Each smooth block gives a variance, by its high frequencies, and a mean; the gain is the ratio of their sums. Where
    the variance of the bright half and of the dark half lie on a line that does not go through 0, there is doubt.

    Args:
        y: one measurement, (1, C, H, W), in intensities of which 1 has the count `peak`.
        observation_mask: which entries carry data, boolean, broadcasts to y; None means all.

    Returns:
        The estimate; sigma is the root mean square over the measurement.

    Source: the mean-variance line of Foi et al. 2008, "Practical Poissonian-Gaussian noise modeling and fitting for
    single-image raw-data", IEEE Trans. Image Processing 17, without its segmentation.
    """
    values, known = prepared(y, observation_mask)
    pairs = (
        list(zip(values.flatten(0, 1), known.flatten(0, 1), strict=True)) if y.dim() == 4 else []
    )
    found = [one for pair in pairs if (one := _channel(*pair)) is not None]
    mean = float(values[known].clamp_min(0).mean()) if found else 0.0
    if mean <= 0:
        return replace(
            nothing(max(len(pairs), 1)),
            peak=_GUESS,
            doubt=f"nothing is seen of it, so {_GUESS:g} stands for it",
        )
    gain, error = together([one.level for one in found])
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
    """A channel's gain, and the share of the variance that does not grow with the intensity, if it can be told."""

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
            free = bands.mean + _MARGIN * (gain * bands.mean.clamp_min(0)).sqrt() < top
            return torch.where(blocks & free, bands.mean, 0.0)

        return level_of(bands, share, least=(0.0, 0.0))

    whole = gain_of(lit)
    if whole is None:
        return None
    halves = [
        (half, gain_of(half))
        for half in (lit & (bands.mean <= middle), lit & (bands.mean > middle))
    ]
    points = [
        (float(bands.mean[half].mean()), level.scale) for half, level in halves if level is not None
    ]
    return _Gain(whole, _constant(points) if len(points) == 2 else None)


def _constant(points: list[tuple[float, float]]) -> float | None:
    """The offset's share of the variance on the line through (mean, gain) of a dark and a bright half."""
    (dark, dark_gain), (bright, bright_gain) = points
    low, high = dark * dark_gain, bright * bright_gain
    if bright < _APART * dark or low + high <= 0:
        return None
    offset = low - dark * (high - low) / (bright - dark)
    return 2 * offset / (low + high)
