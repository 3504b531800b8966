"""A stopping rule for invprior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from invprior import Iterate, Problem, Stop, StoppingRule


@dataclass(frozen=True, kw_only=True)
class Mine(StoppingRule):
    """Stops when the energy no longer falls.

    Args:
        tolerance: smallest decrease that counts, relative to the energy.
        patience: number of steps to wait for one.
    """

    tolerance: Annotated[float, Gt(0)] = 1e-4
    patience: Annotated[int, Ge(1)] = 20

    def start(self, problem: Problem) -> _Watcher:
        """Start to watch a run."""
        return _Watcher(self)


@dataclass  # a checkpoint stores its fields
class _Watcher:
    """The state of the rule during a run."""

    rule: Mine
    lowest: float = float("inf")
    waited: int = 0

    def __call__(self, iterate: Iterate) -> Stop | None:
        """Look at an iterate; return a `Stop` to end the run."""
        energy = float(iterate.energy)
        # NaN compares false, so it never counts as a decrease
        if energy < self.lowest - self.rule.tolerance * abs(energy):
            self.lowest, self.waited = energy, 0
            return None
        self.waited += 1
        if self.waited < self.rule.patience:
            return None
        return Stop("mine", True, f"the energy has not fallen for {self.waited} steps")
