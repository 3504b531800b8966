"""The proximal map of total variation of a signal, exactly and in one pass.

Source: Condat 2013, "A direct algorithm for 1D total variation denoising", IEEE Signal Processing Letters 20. It moves
along the taut string: the dual variable is kept between its bounds, and where it leaves them, a segment ends.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def tv_prox_of_signal(v: Tensor, tau: float) -> Tensor:
    """Return argmin_x tau sum |x[k + 1] - x[k]| + 1/2 ||x - v||^2.

    Args:
        v: (N,), real.
        tau: positive.

    Returns:
        (N,), of v's type. NaN everywhere if a value of v is not finite.
    """
    values = v.detach().double().cpu().tolist()
    if not all(map(math.isfinite, values)):
        return torch.full_like(v, math.nan)
    return torch.tensor(_string(values, tau), dtype=torch.float64).to(v)


def _string(v: list[float], tau: float) -> list[float]:
    last = len(v) - 1
    x: list[float] = []  # the finished segments
    # Of the segment that begins behind them: its least and largest value, the dual variable at the sample k for each of
    # them, and the last samples at which that is at its bound.
    k, low, high, above, below = 0, v[0] - tau, v[0] + tau, tau, -tau
    at_low = at_high = 0
    while True:
        while k == last:  # the dual variable ends at 0
            if above < 0:  # down
                x += [low] * (at_low + 1 - len(x))
                k = at_low = len(x)
                low, above = v[k], tau
                below = low + tau - high
            elif below > 0:  # up
                x += [high] * (at_high + 1 - len(x))
                k = at_high = len(x)
                high, below = v[k], -tau
                above = high - tau - low
            else:
                value = low + above / (k - len(x) + 1)
                return x + [value] * (k + 1 - len(x))
        above += v[k + 1] - low
        below += v[k + 1] - high
        if above < -tau:  # down
            x += [low] * (at_low + 1 - len(x))
            k = at_low = at_high = len(x)
            low, high, above, below = v[k], v[k] + 2 * tau, tau, -tau
        elif below > tau:  # up
            x += [high] * (at_high + 1 - len(x))
            k = at_low = at_high = len(x)
            low, high, above, below = v[k] - 2 * tau, v[k], tau, -tau
        else:
            k += 1
            if above >= tau:
                at_low = k
                low += (above - tau) / (k - len(x) + 1)
                above = tau
            if below <= -tau:
                at_high = k
                high += (below + tau) / (k - len(x) + 1)
                below = -tau
