"""The minimum of a costly function of a scale factor: few calls, and robust at the ends of the range."""

from __future__ import annotations

import math
from collections.abc import Callable

RANGE = 256.0  # factors from 1 / RANGE to RANGE are tried
_STRIDE = math.log(4.0)  # between the factors of the first, coarse sweep
_CLOSE = math.log(1.1)  # two factors that near are the same: no criterion tells them apart
_FLAT = 0.005  # of the value, which is less than 0.02 dB: not worth another solve
_GOLDEN = (3 - 5**0.5) / 2
_EDGE = math.log(RANGE)


def smallest(
    function: Callable[[float], float], *, slack: float = 0.0, calls: int = 10
) -> tuple[float, bool]:
    """Find a local minimum near 1, on the logarithm of the factor.

    It steps downhill from 1 by factors of 4 until the minimum is enclosed, then fits parabolas, with a golden section
    where a parabola is of no use (Brent 1973). Neighbouring factors follow each other, so a solver that starts from
    its last result has little to do.

    Args:
        function: of the factor, positive; what is not finite counts as infinitely bad.
        slack: a gain that does not count: of all factors that are within it of the least value, the one nearest to 1
            is taken.
        calls: at most so many.

    Returns:
        The best factor that was tried, and whether it is at an end of the range: there was no minimum inside.
    """
    known: dict[float, float] = {}

    def at(t: float) -> float:
        if t not in known:
            value = function(math.exp(t))
            known[t] = value if math.isfinite(value) else math.inf
        return known[t]

    step = _STRIDE if at(_STRIDE) < at(0.0) else -_STRIDE
    best = _STRIDE if step > 0 else 0.0
    while (
        abs(best) < _EDGE - 1e-9
        and len(known) < calls
        and _better(at(best + step), at(best), slack)
    ):
        best += step
    while len(known) < calls:
        left = max((t for t in known if t < best), default=None)
        right = min((t for t in known if t > best), default=None)
        if left is None or right is None:
            break
        following = _between(known, left, best, right)
        if not left < following < right:  # a plateau
            break
        if min(abs(following - t) for t in known) < _CLOSE:
            break
        at(following)
        best = min(known, key=lambda t: (known[t], abs(t)))
    least = min(known.values())
    best = min(known, key=lambda t: (known[t] > least + slack, abs(t) if slack else known[t]))
    return math.exp(best), abs(best) >= _EDGE - 1e-9


def _better(new: float, old: float, slack: float) -> bool:
    """Whether it is worth going on: not along a plateau."""
    return new < old - max(_FLAT * abs(old), slack) if math.isfinite(old) else new < old


def _between(known: dict[float, float], a: float, b: float, c: float) -> float:
    """Where to look next, for a < b < c with the least value at b."""
    fa, fb, fc = known[a], known[b], known[c]
    longer = (a if b - a > c - b else c) - b
    if not (math.isfinite(fa) and math.isfinite(fc)):
        return b + _GOLDEN * longer
    bend = (b - a) * (fb - fc) - (b - c) * (fb - fa)
    if bend == 0:
        return b + _GOLDEN * longer
    vertex = b - 0.5 * ((b - a) ** 2 * (fb - fc) - (b - c) ** 2 * (fb - fa)) / bend
    if abs(vertex - b) < _CLOSE and max(b - a, c - b) > 0.9 * _STRIDE:
        # no parabola is to be trusted over so wide a side
        return b + math.copysign(0.25 * _STRIDE, longer)
    return vertex
