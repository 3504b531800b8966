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

    For convex problems, not for an untrained network.

    Args:
        tolerance: the change that counts as none.
        patience: how many steps in a row it must stay below.
    """

    tolerance: Annotated[float, Gt(0)] = 1e-4
    patience: Annotated[int, Ge(1)] = 2

    def start(self, problem: Problem) -> Watcher:
        """Count the quiet steps."""
        return _Quiet(self)


@dataclass
class _Quiet:
    rule: RelativeChange
    steps: int = 0

    def __call__(self, iterate: Iterate) -> Stop | None:
        quiet = float(iterate.change) <= self.rule.tolerance
        self.steps = self.steps + 1 if quiet else 0
        if self.steps < self.rule.patience:
            return None
        message = f"the image changed by less than {self.rule.tolerance:g} a step"
        return Stop("relative-change", True, message)
