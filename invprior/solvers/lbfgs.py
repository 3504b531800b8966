"""L-BFGS, for smooth objectives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from invprior.problem.objective import Objective, route
from invprior.problem.problem import Problem
from invprior.solvers.base import Solver, State


@dataclass
class LBFGSState(State):
    """The variable and its optimiser.

    Attributes:
        variable: the pixels or the network.
        optimizer: L-BFGS on its parameters, which holds the memory of past steps.
    """

    variable: nn.Module = None  # type: ignore[assignment]
    optimizer: torch.optim.LBFGS = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True)
class LBFGS(Solver):
    """Limited-memory BFGS with a strong Wolfe line search. For smooth priors; not for networks with a noisy input.

    Source: Liu and Nocedal 1989.

    Args:
        memory: past steps that the approximate Hessian is built from.
        evaluations: gradient evaluations that one step may take at most.
    """

    memory: Annotated[int, Ge(1)] = 10
    evaluations: Annotated[int, Ge(2)] = 20

    def route(self, problem: Problem) -> Objective:
        """Sort every term with a value into the part that is differentiated; refuse a prox."""
        return route(problem, "lbfgs", network=True, prox="no")

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> LBFGSState:
        """Build the variable, from x0 for pixels, and its optimiser."""
        variable = objective.variable(x0, generator)
        # torch's L-BFGS flattens gradients by view, which channels_last weights do not allow.
        variable.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        optimizer = torch.optim.LBFGS(
            variable.parameters(),
            max_iter=1,  # one quasi-Newton step per call, so that stopping rules see each
            max_eval=self.evaluations,
            history_size=self.memory,
            line_search_fn="strong_wolfe",
            # Stopping is left to the stopping rules.
            tolerance_grad=0.0,
            tolerance_change=0.0,
        )
        return LBFGSState(x0, variable=variable, optimizer=optimizer)

    def step(self, objective: Objective, state: LBFGSState) -> LBFGSState:
        """Take one quasi-Newton step with its line search."""

        def closure() -> Tensor:
            state.optimizer.zero_grad()
            energy = objective.differentiable(*objective.output(state.variable))
            energy.backward()
            return energy.detach()

        state.optimizer.step(closure)
        # The closure's last output may belong to a rejected point of the line search, so evaluate once more.
        with torch.no_grad():
            return LBFGSState(
                objective.output(state.variable).x.mean(0, keepdim=True),
                variable=state.variable,
                optimizer=state.optimizer,
            )
