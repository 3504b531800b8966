"""Stop when the image no longer changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt

from invprior.fidelities.base import QuadraticFidelity
from invprior.problem.functionals import Proximable
from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.registry.options import plain_name
from invprior.stopping.base import StoppingRule, Watcher

# Small steps that may still lie ahead. Short steps alone may only mean a slow solver.
_AHEAD = 10.0
# Steps: a decay is measured over two windows of at most this length, and no slower one is told from standing still.
_WINDOW, _SLOWEST = 25, 100.0
# A run does not settle when its changes are this many times the tolerance and fall by less than a fifth per window.
_RESTLESS, _FALL = 10.0, 0.8


@dataclass(frozen=True, kw_only=True)
class RelativeChange(StoppingRule):
    """Stops when a step changes the image by little, and so will all further ones together.

    The change is ||x_k - x_(k-1)|| over the spread ||x_k - mean(x_k)||, so that neither an offset nor a scale of the
    intensities moves it. The sum of all further changes is estimated from how fast the last ones have fallen, and must
    be below ten times the tolerance. So a solver that only takes short steps goes on.

    For convex problems, not for an untrained network, which does not converge to an answer. A denoiser in place of a
    prox may never settle; the run is then ended and the stop says so.

    Args:
        tolerance: relative change below which a step counts as small.
        patience: number of small steps in a row.
    """

    tolerance: Annotated[float, Gt(0)] = 1e-4
    patience: Annotated[int, Ge(1)] = 2

    def start(self, problem: Problem) -> Watcher:
        """Return a watcher that counts small steps in a row."""
        return _SmallSteps(self.tolerance, self.patience, _doubt(problem))


@dataclass
class _SmallSteps:
    tolerance: float
    patience: int
    doubt: str
    steps: int = 0
    count: int = 0
    changes: list[float] = field(default_factory=list)

    def __call__(self, iterate: Iterate) -> Stop | None:
        self.count += 1
        self.changes = [*self.changes[1 - 2 * _WINDOW :], float(iterate.change)]
        last, tolerance = self.changes[-1], self.tolerance
        settled = last <= tolerance and remaining(self.changes, self.count) <= _AHEAD * tolerance
        self.steps = self.steps + 1 if settled else 0
        if self.steps >= self.patience:
            message = f"the image changed by less than {tolerance:g} of its spread per step"
            return Stop("relative-change", True, message)
        if self.doubt and self.count >= 2 * _WINDOW and self._restless():
            message = f"the image does not settle and still changes by {last:.1%} of its spread per step: {self.doubt}"
            return Stop("relative-change", False, message)
        return None

    def _restless(self) -> bool:
        earlier, later = sum(self.changes[:_WINDOW]), sum(self.changes[_WINDOW:])
        return later > max(_FALL * earlier, _RESTLESS * self.tolerance * _WINDOW)


def _doubt(problem: Problem) -> str:
    """Return why a run may never settle, and the remedy; "" for a convex problem."""
    terms = (t.functional for t in problem.prior.terms if t.weight > 0)
    names = [plain_name(type(f)) for f in terms if isinstance(f, Proximable) and not f.convex]
    if not names:
        return ""
    schedule = isinstance(problem.fidelity, QuadraticFidelity)
    return (
        f"{names[0]} is not the prox of a convex function, so this solver need not converge, and more steps do not "
        f"help. Use {'hqs (--solver hqs), whose schedule ends, or ' if schedule else ''}another prior"
    )


def remaining(changes: Sequence[float], count: int) -> float:
    """Estimate the sum of all further changes, as of a geometric series with the decay of the last ones.

    Args:
        changes: the changes of the last steps, the last one at the end.
        count: the number of steps of the run. The decay is measured over its second half, as its first steps say
            nothing about the last ones.
    """
    last = changes[-1]
    window = min(max(count // 4, 1), len(changes) // 2, _WINDOW)
    if window == 0:  # a single step has no decay
        return last * _SLOWEST
    later, earlier = sum(changes[-window:]), sum(changes[-2 * window : -window])
    if later == 0.0 or earlier == 0.0:
        return last * _SLOWEST
    # With the decay r per step, the sum is last * r / (1 - r).
    rate = math.expm1(math.log(earlier / later) / window)
    return last / max(rate, 1 / _SLOWEST)
