"""Stop after a number of iterations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge

from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.stopping.base import StoppingRule, Watcher


@dataclass(frozen=True, kw_only=True)
class MaxSteps(StoppingRule):
    """Stops after a number of iterations.

    Args:
        steps: number of iterations.
    """

    budget: ClassVar[bool] = True
    steps: Annotated[int, Ge(1)] = 1000

    def start(self, problem: Problem) -> Watcher:
        """Return a watcher that counts steps."""

        def watch(iterate: Iterate) -> Stop | None:
            if iterate.step < self.steps:
                return None
            # A good end by itself; beside a rule of quality, `AnyOf` decides.
            return Stop("max-steps", True, f"reached {self.steps} steps")

        return watch
