"""The mean and the variance of Gaussian noise after a sensor or a file has clipped the values."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_GRID = 801


def limits(values: Tensor, least: float = 0.0) -> tuple[float, float]:
    """Return the lowest and the highest value if at least two entries share it, else infinity.

    Noise that was not clipped has its extreme value only once. An extreme value shared by chance, as in 8-bit data,
    does little harm, because few values are near it.

    Args:
        values: the data, any shape.
        least: fraction of the values that must share an extreme one.
    """
    lowest, highest = float(values.min()), float(values.max())
    if lowest == highest:
        return -math.inf, math.inf
    least_count = max(2.0, least * values.numel())
    return (
        lowest if int((values == lowest).sum()) >= least_count else -math.inf,
        highest if int((values == highest).sum()) >= least_count else math.inf,
    )


def kept_share(mean: Tensor, sigma: float, bounds: tuple[float, float]) -> Tensor:
    """Return the share of the noise's variance that remains after clipping to bounds.

    Args:
        mean: mean of the clipped values, (N,), float64.
        sigma: standard deviation of the noise before clipping, positive.
        bounds: lowest and highest value.

    Returns:
        (N,), in [0, 1].

    Source: the moments of a censored Gaussian; Foi 2009, "Clipped noisy images: heteroskedastic modeling and
    practical denoising", Signal Processing 89, uses them likewise.
    """
    if math.isinf(bounds[0]) and math.isinf(bounds[1]):
        return torch.ones_like(mean)
    _, seen, variance = _table(mean, sigma, bounds)
    return _interpolated(mean, seen, variance).clamp(0, 1)


def unclipped(mean: Tensor, sigma: float, bounds: tuple[float, float]) -> Tensor:
    """Return the values before noise and clipping, from the mean of what is seen.

    Noise at black is clipped on one side only, so black is seen 0.4 sigma too bright in the mean, and white too dark.

    Args:
        mean: mean of the clipped values, any shape.
        sigma: standard deviation of the noise before clipping, positive.
        bounds: lowest and highest value that is seen; infinite where nothing was clipped.

    Returns:
        Values within the bounds, of the same shape, dtype and device.

    Source: the inverse transform of Foi 2009, see `kept_share`.
    """
    if math.isinf(bounds[0]) and math.isinf(bounds[1]):
        return mean
    flat = mean.detach().cpu().double().flatten()
    values, seen, _ = _table(flat, sigma, bounds)
    return _interpolated(flat, seen, values).clamp(*bounds).view(mean.shape).to(mean)


def _table(
    mean: Tensor, sigma: float, bounds: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return values before noise and clipping, and the mean and the kept share of the variance of each."""
    low, high = bounds
    if math.isinf(low):
        low = min(float(mean.min()), high) - 8 * sigma
    if math.isinf(high):
        high = max(float(mean.max()), low) + 8 * sigma
    # The mean after clipping is known and the value before is not: tabulate one over the other.
    x = torch.linspace(low - 4 * sigma, high + 4 * sigma, _GRID, dtype=torch.float64)
    seen, variance = _censored((low - x) / sigma, (high - x) / sigma)
    return x, x + sigma * seen, variance


def _interpolated(at: Tensor, over: Tensor, values: Tensor) -> Tensor:
    """Interpolate a table of values over an increasing grid."""
    right = torch.searchsorted(over, at.contiguous()).clamp(1, _GRID - 1)
    a, b = over[right - 1], over[right]
    fraction = ((at - a) / (b - a).clamp_min(1e-300)).clamp(0, 1)
    return values[right - 1] + fraction * (values[right] - values[right - 1])


def _censored(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the variance of a standard Gaussian clipped to [low, high]."""
    below, above = torch.special.ndtr(low), torch.special.ndtr(-high)
    at_low, at_high = _density(low), _density(high)
    inside = 1 - below - above
    mean = low * below + high * above + at_low - at_high
    square = low**2 * below + high**2 * above + inside + low * at_low - high * at_high
    return mean, square - mean**2


def _density(t: Tensor) -> Tensor:
    return torch.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)
