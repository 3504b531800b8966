"""Adam, for pixels and for networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn

from invprior.problem import Objective, Problem, route
from invprior.solvers.base import Solver, State


@dataclass
class AdamState(State):
    """The variable, its optimiser, and the decay of the running average."""

    variable: nn.Module = None  # type: ignore[assignment]
    optimizer: torch.optim.Adam = None  # type: ignore[assignment]
    decay: float = 0.0
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Adam(Solver):
    """Adam on the pixels or on a network's parameters; the solver of Deep Image Prior.

    A reparameterisation sets the step size and the averaging unless they are given here. The estimate x is the
    exponential average of the outputs, as in the Deep Image Prior paper. Source: Kingma and Ba 2015.

    Args:
        lr: step size; the prior's own when absent, 0.01 for pixels.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        average: decay of the running average of x, 0 for none; the prior's own when absent.
    """

    lr: Annotated[float, Gt(0)] | None = None
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    average: Annotated[float, Ge(0), Lt(1)] | None = None

    def route(self, problem: Problem) -> Objective:
        """Differentiate everything."""
        return route(problem, "adam", network=True, prox="no")

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> AdamState:
        """Build the variable and its optimiser."""
        prior = objective.problem.reparameterization
        lr = self.lr or (prior.learning_rate if prior else 0.01)
        decay = self.average if self.average is not None else (prior.average if prior else 0.0)
        variable = objective.variable(x0, generator)
        optimizer = adam(variable, lr, (self.beta1, self.beta2))
        return AdamState(x0, step_size=lr, variable=variable, optimizer=optimizer, decay=decay)

    def step(self, objective: Objective, state: State) -> AdamState:
        """Evaluate, step, average."""
        assert isinstance(state, AdamState)
        output = state.variable()
        energy = objective.differentiable(output)
        state.optimizer.zero_grad()
        energy.backward()
        state.optimizer.step()
        state.count += 1
        # Early on the average spans the last tenth of the run, so that it forgets the first random outputs.
        keep = min(state.decay, (state.count - 1) / (state.count + 9))
        output = output.detach()
        state.x = output.clone() if keep == 0.0 else output.lerp(state.x, keep)
        state.energy = energy.detach()
        return state


def adam(
    variable: nn.Module, lr: float, betas: tuple[float, float] = (0.9, 0.999)
) -> torch.optim.Adam:
    """Make an Adam optimiser over a variable's parameters."""
    return torch.optim.Adam(variable.parameters(), lr=lr, betas=betas, fused=True)
