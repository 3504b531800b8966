"""The spacing of a measurement's values, which bounds the noise from below."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_MOST = 65_536  # values looked at
_FEWEST = 32  # distinct values; a measurement with fewer is a drawing or a constant
_ROUNDINGS = 4.0  # rounding errors of the dtype that a value may carry, such as those of s * y + c
_CLEAR = (
    4.0  # smallest ratio of a step to these errors; any value is near a multiple of a finer one
)
_FLOAT = 8 * torch.finfo(torch.float32).eps  # of the range: what a few operations leave


def step_of(values: Tensor) -> float:
    """Return the spacing of values: all of them are multiples of it, up to an offset.

    It is 1/255 for 8 bits scaled to [0, 1], and 1 for counts, whatever part of the range they use. Values of an
    arithmetic in floats have no spacing; for them it is the rounding of single precision. A drawing has few values and
    no noise at all. Its step is 1/255 of its range, and that of a constant 1/255 of its absolute value.

    Args:
        values: finite values in their own dtype, of any shape.

    Returns:
        The step, positive, in units of the values. Rounding to it has the standard deviation `rounding(step)`.
    """
    values = values.detach().flatten()
    eps = torch.finfo(values.dtype).eps
    values = values[:: -(-values.numel() // _MOST) or 1].to("cpu", torch.float64).unique()
    if not len(values):
        return 1 / 255
    low, high = float(values[0]), float(values[-1])
    size = max(abs(low), abs(high))
    if len(values) < _FEWEST:
        return ((high - low) or size or 1.0) / 255
    error = _ROUNDINGS * eps * size
    found = _common_step(values - low, error)
    return found or max(_FLOAT * (high - low), eps * size)


def rounding(step: float) -> float:
    """Return the standard deviation of the error of rounding to multiples of a step."""
    return step / math.sqrt(12)


def _common_step(levels: Tensor, error: float) -> float | None:
    """Return the greatest common divisor of increasing levels from 0, each off by at most the error; None for none."""
    gaps = levels.diff()
    gaps = gaps[gaps > error]
    if not len(gaps):
        return None
    step = float(gaps.min())
    while step > _CLEAR * error:  # Euclid's algorithm
        step = _refined(gaps, step)
        rest = (gaps - step * (gaps / step).round()).abs()
        rest = rest[rest > 2 * error]
        if not len(rest):
            exact = (levels - step * (levels / step).round()).abs() <= 2 * error
            return step if bool(exact.all()) else None
        step = float(rest.min())
    return None


def _refined(gaps: Tensor, step: float) -> float:
    """Return the step as the mean over ever wider gaps, whose multiples a step with an error would miscount."""
    # A single gap is known to the rounding error only, which thousands of steps would multiply.
    widest, limit = float(gaps.max()), 2.5 * step
    while True:
        some = gaps[gaps <= limit]
        step = float(some.sum() / (some / step).round().sum())
        if limit >= widest:
            return step
        limit *= 4
