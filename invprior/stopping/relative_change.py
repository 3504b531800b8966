"""Stop when the picture no longer changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from invprior.problem import Problem
from invprior.solution import Iterate, Stop
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
        quiet = 0

        def watch(iterate: Iterate) -> Stop | None:
            nonlocal quiet
            quiet = quiet + 1 if float(iterate.change) <= self.tolerance else 0
            if quiet < self.patience:
                return None
            return Stop(
                "relative-change",
                True,
                f"the picture changed by less than {self.tolerance:g} a step",
            )

        return watch
