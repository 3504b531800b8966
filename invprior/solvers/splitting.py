"""The x-step that ADMM and HQS share: fit the data and stay near what the prior terms propose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from invprior.errors import IncompatibleError
from invprior.fidelities.base import ProximableFidelity, QuadraticFidelity
from invprior.operators.base import LinearOperator
from invprior.options import plain_name
from invprior.problem import Objective, Problem, route
from invprior.solvers.adam import adam


def split(problem: Problem, solver: str) -> Objective:
    """Route for a splitting method: every prior term through its prox, E in closed form or through its own prox.

    A network takes the smooth terms too, since its x-step is a descent.
    """
    network = problem.reparameterization is not None
    objective = route(problem, solver, network=True, prox="many", linear=not network)
    if network:
        return objective
    if objective.smooth:
        names = " and ".join(plain_name(type(p)) for _, p in objective.smooth)
        raise IncompatibleError(f"{solver} needs a prox, and {names} has only a value.")
    if not isinstance(problem.fidelity, ProximableFidelity):
        raise IncompatibleError(
            f"{solver} needs a fidelity with a prox, and {plain_name(type(problem.fidelity))} has none."
        )
    return objective


@dataclass
class NetworkStep:
    """The x-step for x = f_theta(z): some steps of Adam, whose moments persist."""

    variable: nn.Module
    optimizer: torch.optim.Adam
    inner: int

    @staticmethod
    def of(objective: Objective, x0: Tensor, generator: torch.Generator, inner: int) -> NetworkStep:
        """Build the network that the problem's reparameterisation describes."""
        prior = objective.problem.reparameterization
        assert prior is not None
        variable = objective.variable(x0, generator)
        return NetworkStep(variable, adam(variable, prior.learning_rate), inner)

    def __call__(self, objective: Objective, targets: list[Tensor], rho: float) -> Tensor:
        """Reduce E + smooth terms + rho / 2 sum ||x - target||^2; return the last output."""
        output = targets[0]
        for _ in range(self.inner):
            output = self.variable()
            energy = objective.differentiable(output)
            for target in targets:
                energy = energy + 0.5 * rho * (output - target).square().sum()
            self.optimizer.zero_grad()
            energy.backward()
            self.optimizer.step()
        return output.detach()


def quadratic_step(objective: Objective, targets: list[Tensor], rho: float) -> Tensor:
    """Minimise precision / 2 ||Ax - y||^2 + rho / 2 sum ||x - target||^2 in closed form (or by CG)."""
    operator, fidelity = objective.problem.operator, objective.problem.fidelity
    assert isinstance(operator, LinearOperator)
    assert isinstance(fidelity, QuadraticFidelity)
    scale = rho / fidelity.precision
    rhs = operator.adjoint(objective.problem.y)
    for target in targets:
        rhs = rhs + scale * target
    return operator.solve_damped(rhs, scale * max(len(targets), 1))
