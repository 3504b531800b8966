"""A stopping rule in a package of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from invprior import Iterate, Problem, Stop, StoppingRule


@dataclass(frozen=True, kw_only=True)
class Mine(StoppingRule):
    """Stops when the energy has not fallen for a while.

    Args:
        fall: the part of the energy that counts as a fall.
        patience: how many steps to wait for one.
    """

    fall: Annotated[float, Gt(0)] = 1e-4
    patience: Annotated[int, Ge(1)] = 20

    def start(self, problem: Problem) -> _Watcher:
        """Begin to watch a run; all state is the watcher's."""
        return _Watcher(self)


@dataclass
class _Watcher:
    rule: Mine
    lowest: float = float("inf")
    waited: int = 0

    def __call__(self, iterate: Iterate) -> Stop | None:
        energy = float(iterate.energy)
        if energy < self.lowest - self.rule.fall * abs(energy):
            self.lowest, self.waited = energy, 0
            return None
        self.waited += 1
        if self.waited < self.rule.patience:
            return None
        return Stop("mine", True, f"the energy has not fallen for {self.waited} steps")
