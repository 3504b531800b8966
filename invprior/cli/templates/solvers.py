"""A solver in a package of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from invprior import Objective, Problem, Solver, State
from invprior.problem.problem import route


@dataclass(frozen=True, kw_only=True)
class Mine(Solver):
    """Gradient descent with the largest step that is safe; not for priors that have only a prox.

    Args:
        share: of the largest safe step, 1 / L.
    """

    share: Annotated[float, Interval(gt=0, lt=2)] = 1.0

    def route(self, problem: Problem) -> Objective:
        """Take what has a gradient of bounded curvature, and refuse the rest by name."""
        return route(
            problem,
            "mine",
            network=False,
            prox="no",
            terms="smooth",
            fidelity="smooth",
            linear=True,
        )

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> State:
        """Begin at x0; every random number would come from the generator."""
        return State(x0, step_size=self.share / objective.lipschitz())

    def step(self, objective: Objective, state: State) -> State:
        """Do one iteration; all that it remembers is in the state."""
        assert state.step_size is not None
        x = state.x - state.step_size * objective.gradient(state.x)
        return State(x, step_size=state.step_size)
