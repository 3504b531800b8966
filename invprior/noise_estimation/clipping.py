"""The variance of Gaussian noise after a sensor or a file has clipped the values."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_GRID = 801


def limits(values: Tensor) -> tuple[float, float]:
    """Return the lowest and the highest value if at least two entries share it, else infinity.

    Noise that was not clipped has its extreme value only once. An extreme value shared by chance, as in 8-bit data,
    does no harm, because few values are near it.
    """
    lowest, highest = float(values.min()), float(values.max())
    if lowest == highest:
        return -math.inf, math.inf
    return (
        lowest if int((values == lowest).sum()) > 1 else -math.inf,
        highest if int((values == highest).sum()) > 1 else math.inf,
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
    low, high = bounds
    if math.isinf(low) and math.isinf(high):
        return torch.ones_like(mean)
    if math.isinf(low):
        low = min(float(mean.min()), high) - 8 * sigma
    if math.isinf(high):
        high = max(float(mean.max()), low) + 8 * sigma
    # The mean after clipping is known and the mean before is not: tabulate one over the other.
    x = torch.linspace(low - 4 * sigma, high + 4 * sigma, _GRID, dtype=torch.float64)
    seen, variance = _censored((low - x) / sigma, (high - x) / sigma)
    seen = x + sigma * seen  # increases with x, so the table can be inverted
    right = torch.searchsorted(seen, mean.contiguous()).clamp(1, _GRID - 1)
    a, b = seen[right - 1], seen[right]
    fraction = ((mean - a) / (b - a).clamp_min(1e-300)).clamp(0, 1)
    return (variance[right - 1] + fraction * (variance[right] - variance[right - 1])).clamp(0, 1)


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
