"""Stop after a given time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Gt

from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.stopping.base import StoppingRule, Watcher


@dataclass(frozen=True, kw_only=True)
class TimeLimit(StoppingRule):
    """Stops once a given time has passed, after the step in progress.

    Args:
        seconds: time since the start of the run, in seconds, including the time before an interruption.
    """

    budget: ClassVar[bool] = True
    seconds: Annotated[float, Gt(0)] = 60.0

    def start(self, problem: Problem) -> Watcher:
        """Return a watcher of the run's clock, which a checkpoint preserves."""

        def watch(iterate: Iterate) -> Stop | None:
            # Not a clock of the watcher's own, which would start again when a run is resumed.
            if iterate.seconds < self.seconds:
                return None
            return Stop(
                "time-limit", True, f"reached {self.seconds:g} s after {iterate.step} steps"
            )

        return watch
