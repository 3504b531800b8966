"""Minimisation of a costly function of a scale factor, with few calls and robust at the ends of the range."""

from __future__ import annotations

import math
from collections.abc import Callable

# Factors from 1 / RANGE to RANGE are tried: four strides each way.
RANGE = 256.0
# Between the factors of the coarse sweep. The defaults are right within a factor of about ten.
_STRIDE = math.log(4.0)
# Factors this close to each other count as equal: no criterion separates them.
_CLOSE = math.log(1.1)
# Relative gain that is not worth another solve: less than 0.02 dB.
_FLAT = 0.005
_GOLDEN = (3 - 5**0.5) / 2
_EDGE = math.log(RANGE)


def smallest(
    function: Callable[[float], float], *, slack: float = 0.0, calls: int = 10
) -> tuple[float, bool]:
    """Find a local minimum near 1, on the logarithm of the factor.

    The search descends from 1 by factors of 4 until the minimum is bracketed. From a plateau at large factors it goes
    to smaller ones. It then fits parabolas, with a golden section where a parabola does not help (Brent 1973).
    Each factor is close to the best one so far, so a solver that starts from that result needs few steps.

    Args:
        function: the function of the factor, which is positive; a value that is not finite counts as infinity.
        slack: gain that is not significant. Of all factors within it of the smallest value, the one nearest to 1 is
            taken.
        calls: maximum number of calls.

    Returns:
        The best factor that was tried, and whether it is at an end of the range, without a minimum inside.
    """
    # By the logarithm t of the factor. The coarse sweep asks for some of them twice.
    known: dict[float, float] = {}

    def value_at(t: float) -> float:
        if t not in known:
            value = function(math.exp(t))
            known[t] = value if math.isfinite(value) else math.inf
        return known[t]

    # The default first: it is often near the best, and then shows soon that the others are worse.
    middle, above = value_at(0.0), value_at(_STRIDE)
    step = _STRIDE if _better(above, middle, slack) else -_STRIDE
    best = _STRIDE if step > 0 else 0.0
    # All large weights give the same flat image; its level says nothing about smaller ones.
    flat = step < 0 and math.isfinite(middle) and not _better(middle, above, slack)
    while abs(best) < _EDGE - 1e-9 and len(known) < calls:  # sums of strides round
        new, old = value_at(best + step), value_at(best)
        flat = flat and not _better(old, new, slack)
        if not (flat or _better(new, old, slack)):
            break
        best += step
    while len(known) < calls:
        left = max((t for t in known if t < best), default=None)
        right = min((t for t in known if t > best), default=None)
        # At an end of the range there is no bracket.
        if left is None or right is None:
            break
        following = _next_point(known, left, best, right)
        if not left < following < right:  # on a plateau
            break
        if min(abs(following - t) for t in known) < _CLOSE:
            break
        value_at(following)
        # Of equal values, the one nearest to the default.
        best = min(known, key=lambda t: (known[t], abs(t)))
    least = min(known.values())
    best = min(known, key=lambda t: (known[t] > least + slack, abs(t) if slack else known[t]))
    return math.exp(best), abs(best) >= _EDGE - 1e-9


def _better(new: float, old: float, slack: float) -> bool:
    """Return whether the new value is low enough to descend further; it is not on a plateau."""
    return new < old - max(_FLAT * abs(old), slack) if math.isfinite(old) else new < old


def _next_point(known: dict[float, float], a: float, b: float, c: float) -> float:
    """Return the next point to try, for a < b < c with the smallest value at b."""
    fa, fb, fc = known[a], known[b], known[c]
    # Signed: the direction and the length of the longer side.
    longer = (a if b - a > c - b else c) - b
    if not (math.isfinite(fa) and math.isfinite(fc)):
        return b + _GOLDEN * longer
    denominator = (b - a) * (fb - fc) - (b - c) * (fb - fa)
    if denominator == 0:  # the three points lie on a line
        return b + _GOLDEN * longer
    vertex = b - 0.5 * ((b - a) ** 2 * (fb - fc) - (b - c) ** 2 * (fb - fa)) / denominator
    if abs(vertex - b) < _CLOSE and max(b - a, c - b) > 0.9 * _STRIDE:
        # No parabola is reliable over a side that is still a whole stride wide. Accepting its vertex here, where the
        # coarse sweep was level around the default, cost 0.76 dB with tv on house at noise of 50 of 255.
        return b + math.copysign(0.25 * _STRIDE, longer)
    return vertex
