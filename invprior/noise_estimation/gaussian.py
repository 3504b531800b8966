"""Estimate the standard deviation of white Gaussian noise."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from invprior.errors import refuse_complex
from invprior.noise_estimation.bands import bands_of
from invprior.noise_estimation.base import DOUBTFUL, NoiseEstimate
from invprior.noise_estimation.clipping import kept_share, limits
from invprior.noise_estimation.level import Level, level_of, pooled, quietest
from invprior.noise_estimation.rows import level_of_rows
from invprior.noise_estimation.steps import rounding, step_of

NOT_SMOOTH = "the signal has few samples, or changes as fast as the noise"
_TEXTURED = 1.0  # uncertainty of the variance from texture, from which the quietest blocks say more than the smoothest
_EXCESS = 2.0  # uncertainty of sigma for each unit of the excess, from sinograms and k-spaces of photographs


def estimate_gaussian(y: Tensor, observation_mask: Tensor | None = None) -> NoiseEstimate:
    """Estimate the standard deviation of white noise that is the same at every intensity.

    The estimate uses the high frequencies of the smoothest blocks (`bands_of`, `level_of`). It accounts for values
    that were clipped, as in 8-bit files. It leaves out missing pixels and areas of exactly equal values. A blurred
    image has less energy at high frequencies, so its estimate is better than a sharp image's. Texture that fills the
    whole image counts partly as noise. Noise that is not white, as in JPEG files, is not measured correctly.

    The rows of a measurement that is no image, such as a sinogram or a k-space, are cut into blocks likewise. What is
    fine in it counts as noise, and the uncertainty says how much that may be. Fewer than 8 rows, or of fewer than 8
    samples, are treated as samples of a smooth signal (`level_of_rows`), which gives a crude value. So is a narrow
    image, whose rows run along its longer side; an image of one row is a signal, which this suits.

    The estimate of s y + c is s times that of y: the least sigma follows from the spacing of the values.

    Args:
        y: one measurement in any units: an image, (1, C, H, W), else (1, ...) with rows along the last dimension.
        observation_mask: which entries carry data, boolean, broadcasts to y; None means all. Entries that
            are not finite never count.

    Returns:
        The estimate. Its sigma is at least the error of rounding to the spacing of the values, see `step_of`.
    """
    y, known, step = prepare(y, observation_mask)
    if y.dim() != 4 and min(rows_of(y).shape) >= 8:
        return _from_no_image(rows_of(y), rows_of(known), step)
    if y.dim() != 4 or min(y.shape[2:]) < 8:
        return _from_rows(rows_of(y), rows_of(known), step, signal=y.dim() == 4)
    pairs = zip(y.flatten(0, 1), known.flatten(0, 1), strict=True)
    levels = [_channel(*pair, step) for pair in pairs]
    found = [level for level in levels if level is not None]
    if not found:
        return no_estimate(len(levels), step)
    variance, error = pooled(found)
    least = rounding(step)
    sigma = max(math.sqrt(variance), least)
    values = y[known]
    return NoiseEstimate(
        sigma=sigma,
        channels=tuple(
            sigma if level is None else max(math.sqrt(level.scale), least) for level in levels
        ),
        uncertainty=error / 2,
        method="high frequencies of the smoothest blocks",
        step=step,
        doubt="the measurement is constant" if values.min() == values.max() else None,
    )


def prepare(y: Tensor, observation_mask: Tensor | None) -> tuple[Tensor, Tensor, float]:
    """Return the measurement in float64 on the CPU, 0 where it is unknown, the mask of known entries, and the step."""
    refuse_complex(y.dtype, "The measurement")
    known = (
        y.isfinite() if observation_mask is None else y.isfinite() & observation_mask.to(y.device)
    )
    step = step_of(y[known])
    y = y.detach().masked_fill(~known, 0)
    return y.to("cpu", torch.float64), known.cpu(), step


def no_estimate(channels: int, step: float) -> NoiseEstimate:
    """Return the assumed value for a measurement with too little data."""
    sigma = rounding(step)
    return NoiseEstimate(
        sigma=sigma,
        channels=(sigma,) * channels,
        uncertainty=math.inf,
        method="the rounding error of the values",
        step=step,
        doubt="too little of the image is known, so the rounding error of its values is assumed",
    )


def _channel(image: Tensor, known: Tensor, step: float) -> Level | None:
    bands = bands_of(image, known)
    if bands is None:
        return None
    mean, bounds, least = bands.mean, limits(image[known]), rounding(step)

    def share(variance: float) -> Tensor:
        return kept_share(mean, max(math.sqrt(variance), least), bounds)

    level = level_of(bands, share)
    if level is None or level.texture < _TEXTURED:
        return level
    return replace(level, scale=min(level.scale, quietest(bands, share(level.scale))))


def rows_of(y: Tensor) -> Tensor:
    """Return the rows of samples of a measurement, (N, length); those of an image run along its longer side."""
    if y.dim() == 4 and y.shape[2] > y.shape[3]:
        y = y.transpose(2, 3)
    long = [n for n in y.shape if n > 1]  # a column of samples, (N, 1), is one row
    return y.reshape(-1, long[-1] if long else 1)


def _from_no_image(y: Tensor, known: Tensor, step: float) -> NoiseEstimate:
    bands = bands_of(y, known)
    level = None if bands is None else level_of(bands, lambda _: torch.ones_like(bands.high))
    if bands is None or level is None:
        return no_estimate(1, step)
    # White noise is as strong in rougher blocks. If these have more, the smoothest also hold more than noise.
    high = bands.high[bands.low.argsort()]
    half = float(high[: len(high) // 2].mean())
    excess = max(half / max(level.scale, rounding(step) ** 2) - 1, 0.0)
    sigma = max(math.sqrt(level.scale), rounding(step))
    uncertainty = math.hypot(level.chance / 2, level.texture / 2, _EXCESS * excess)
    return NoiseEstimate(
        sigma=sigma,
        channels=(sigma,),
        uncertainty=uncertainty,
        method="high frequencies of the smoothest blocks of rows that are no image",
        step=step,
        doubt="the measurement is no image, and what is fine in it counts as noise"
        if uncertainty > DOUBTFUL
        else None,
    )


def _from_rows(y: Tensor, known: Tensor, step: float, *, signal: bool) -> NoiseEstimate:
    level = level_of_rows(y, known)
    if level is None:
        return no_estimate(1, step)
    sigma = max(level.sigma, rounding(step))
    doubt = None
    if not signal:
        doubt = "the measurement is no image, and was treated as rows of a smooth signal"
    elif level.uncertainty > DOUBTFUL:
        doubt = NOT_SMOOTH
    return NoiseEstimate(
        sigma=sigma,
        channels=(sigma,),
        uncertainty=level.uncertainty if signal else math.inf,
        method="differences of successive samples",
        step=step,
        doubt=doubt,
    )
