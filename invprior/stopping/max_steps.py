"""Stop after a number of iterations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge

from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.stopping.base import AnyOf, StoppingRule, Watcher


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


def limited(rule: StoppingRule, steps: int) -> StoppingRule:
    """Return a rule with another limit: its own `max-steps` is replaced, and one is joined to a rule without any.

    "relative-change | max-steps:steps=500" with 2000 steps is "relative-change | max-steps:steps=2000".

    Raises:
        OptionError: steps is below 1.
    """
    limit = MaxSteps(steps=steps)
    rules = rule.rules if isinstance(rule, AnyOf) else (rule,)
    others = tuple(r.within(steps) for r in rules if not isinstance(r, MaxSteps))
    return AnyOf((*others, limit)) if others else limit
