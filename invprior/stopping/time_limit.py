"""Stop after a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Gt

from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.stopping.base import StoppingRule, Watcher


@dataclass(frozen=True, kw_only=True)
class TimeLimit(StoppingRule):
    """Stops once a time has passed; the step that is under way is finished.

    Args:
        seconds: time since the run began, in seconds; what it took before an interruption counts.
    """

    budget: ClassVar[bool] = True
    seconds: Annotated[float, Gt(0)] = 60.0

    def start(self, problem: Problem) -> Watcher:
        """Compare the run's own clock."""

        def watch(iterate: Iterate) -> Stop | None:
            if iterate.seconds < self.seconds:
                return None
            return Stop(
                "time-limit", True, f"reached {self.seconds:g} s after {iterate.step} steps"
            )

        return watch
