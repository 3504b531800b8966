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
# Relative gain that is not worth another solve: of values on the way to a bracket, less than 0.02 dB where they are
# errors; of a parabola through three values that are known no better, less than 0.04 dB.
_FLAT, _WORTH = 0.005, 0.01
# A side of the bracket at least this long is entered, by a quarter, when a convex function could fall there by this
# fraction; one that is still a whole stride long, by what is worth another solve.
_LONG, _HIDDEN, _INTO = 0.5 * _STRIDE, 0.25, 0.25
_GOLDEN = (3 - 5**0.5) / 2
_EDGE = math.log(RANGE)


def smallest(
    function: Callable[[float], float], *, slack: float = 0.0, calls: int = 10
) -> tuple[float, bool]:
    """Find a local minimum near 1, on the logarithm of the factor.

    The search descends from 1 by factors of 4 until the minimum is bracketed. It looks at smaller factors first: the
    minimum more often lies there, and the proxes of small weights cost less. From a plateau at large factors it goes
    to smaller ones. It then fits parabolas, with a golden section where a parabola does not help (Brent 1973), until
    the next one would gain little. Each factor is close to the best one so far, so a solver that starts from that
    result needs few steps.

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

    best = _descended(value_at, known, slack, calls)
    while len(known) < calls:
        left = max((t for t in known if t < best), default=None)
        right = min((t for t in known if t > best), default=None)
        # At an end of the range there is no bracket.
        if left is None or right is None:
            break
        following = _next_point(known, left, best, right, slack)
        if following is None or not left < following < right:  # on a plateau
            break
        value_at(following)
        # Of equal values, the one nearest to the default.
        best = min(known, key=lambda t: (known[t], abs(t)))
    least = min(known.values())
    best = min(known, key=lambda t: (known[t] > least + slack, abs(t) if slack else known[t]))
    return math.exp(best), abs(best) >= _EDGE - 1e-9


def _descended(
    value_at: Callable[[float], float], known: dict[float, float], slack: float, calls: int
) -> float:
    """Return the best point of a coarse sweep, which ends at the first neighbour that is not better."""
    # The default first: it is often near the best, and then shows soon that the others are worse.
    middle, step, best, flat = value_at(0.0), -_STRIDE, 0.0, False
    if not _better(value_at(step), middle, slack):
        above = value_at(_STRIDE)
        if _better(above, middle, slack):
            step = best = _STRIDE
        else:
            # All large weights give the same flat image; its level says nothing about smaller ones. A slack does not
            # make values equal.
            flat = math.isfinite(middle) and not _better(middle, above, 0.0)
    while abs(best) < _EDGE - 1e-9 and len(known) < calls:  # sums of strides round
        new, old = value_at(best + step), value_at(best)
        flat = flat and not _better(old, new, 0.0)
        if not (flat or _better(new, old, slack)):
            break
        best += step
    return best


def _better(new: float, old: float, slack: float) -> bool:
    """Return whether the new value is low enough to descend further; it is not on a plateau."""
    return new < old - max(_FLAT * abs(old), slack) if math.isfinite(old) else new < old


def _next_point(
    known: dict[float, float], a: float, b: float, c: float, slack: float
) -> float | None:
    """Return the next point to try, for a < b < c with the smallest value at b; None if none is worth it."""
    fa, fb, fc = known[a], known[b], known[c]
    # Signed: the direction and the length of the longer side.
    longer = (a if b - a > c - b else c) - b
    finite = math.isfinite(fa) and math.isfinite(fc)
    falling, rising = (fa - fb) / (b - a), (fc - fb) / (c - b)
    curvature = 2 * (falling + rising) / (c - a)
    if not finite or curvature <= 0:  # 0 where the three points lie on a line
        return _apart(known, b + _GOLDEN * longer)
    # The parabola's slope at b.
    slope = (rising * (b - a) - falling * (c - b)) / (c - a)
    if 0.5 * slope**2 / curvature > max(_WORTH * abs(fb), slack):
        point = _apart(known, b - slope / curvature)
        if point is not None:
            return point
    # No parabola is reliable over a long side: a convex function falls behind b at most as fast as it rises before it.
    # Accepting b where a parabola had its vertex cost 0.76 dB with tv on house at noise of 50 of 255, where the coarse
    # sweep was level around the default, and 2 dB with red on camera.
    hidden = (rising if longer < 0 else falling) * abs(longer)
    enough = _WORTH if abs(longer) > 0.9 * _STRIDE else _HIDDEN
    if abs(longer) > _LONG and hidden > max(enough * abs(fb), slack):
        return b + _INTO * longer
    return None


def _apart(known: dict[float, float], point: float) -> float | None:
    """Return a point if it is not close to one that is known."""
    return point if min(abs(point - t) for t in known) >= _CLOSE else None
