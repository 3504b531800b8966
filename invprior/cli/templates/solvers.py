"""A solver for invprior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from invprior import Objective, Problem, Solver, State
from invprior.problem.objective import route


@dataclass(frozen=True, kw_only=True)
class Mine(Solver):
    """Gradient descent with a fixed step size; not for priors that have only a prox.

    Args:
        share: step size as a multiple of 1 / L, L the Lipschitz constant of the gradient.
    """

    share: Annotated[float, Interval(gt=0, lt=2)] = 1.0  # converges below 2 / L

    def route(self, problem: Problem) -> Objective:
        """Accept problems whose gradient has a Lipschitz constant; refuse all others with the reasons."""
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
        """Start at x0, (1, C, H, W); random numbers, if any, come from the generator."""
        return State(x0, step_size=self.share / objective.lipschitz())

    def step(self, objective: Objective, state: State) -> State:
        """Do one iteration."""
        assert state.step_size is not None
        # a new state instead of one changed in place: users may hold earlier iterates
        x = state.x - state.step_size * objective.gradient(state.x)
        return State(x, step_size=state.step_size)
