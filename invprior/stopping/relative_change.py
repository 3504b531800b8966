"""Stop when the image no longer changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.stopping.base import StoppingRule, Watcher


@dataclass(frozen=True, kw_only=True)
class RelativeChange(StoppingRule):
    """Stops when ||x_k - x_(k-1)|| / ||x_(k-1)|| stays small.

    For convex problems, not for an untrained network, which does not converge to an answer.

    Args:
        tolerance: relative change below which a step counts as small.
        patience: number of small steps in a row.
    """

    tolerance: Annotated[float, Gt(0)] = 1e-4
    patience: Annotated[int, Ge(1)] = 2

    def start(self, problem: Problem) -> Watcher:
        """Return a watcher that counts small steps in a row."""
        return _SmallSteps(self)


@dataclass
class _SmallSteps:
    rule: RelativeChange
    steps: int = 0

    def __call__(self, iterate: Iterate) -> Stop | None:
        small = float(iterate.change) <= self.rule.tolerance
        self.steps = self.steps + 1 if small else 0
        if self.steps < self.rule.patience:
            return None
        message = f"the image changed by less than {self.rule.tolerance:g} per step"
        return Stop("relative-change", True, message)
