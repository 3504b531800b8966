"""The x-step that ADMM and HQS share: fit the data and stay near what the prior terms propose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from invprior.fidelities.base import QuadraticFidelity
from invprior.operators.base import LinearOperator
from invprior.problem.objective import Need, Objective, route
from invprior.problem.problem import Problem
from invprior.solvers.adam import Adam, adam


def split(problem: Problem, solver: str) -> Objective:
    """Route for a splitting method: every prior term through its prox, E in closed form or through its own prox.

    A network takes the smooth terms too, since its x-step is a descent.
    """
    network = problem.reparameterization is not None
    need: Need = "any" if network else "prox"
    return route(
        problem,
        solver,
        network=True,
        prox="many",
        terms=need,
        fidelity=need,
        linear=not network,
    )


@dataclass
class NetworkStep:
    """The x-step for x = f_theta(z): some steps of Adam, whose moments persist."""

    variable: nn.Module
    optimizer: torch.optim.Adam
    inner: int

    @staticmethod
    def of(objective: Objective, x0: Tensor, generator: torch.Generator, inner: int) -> NetworkStep:
        """Build the network that the problem's reparameterisation describes."""
        variable = objective.variable(x0, generator)
        lr = Adam().completed(objective.problem).lr
        assert lr is not None
        return NetworkStep(variable, adam(variable, lr), inner)

    def __call__(self, objective: Objective, targets: list[Tensor], rho: float) -> Tensor:
        """Reduce E + smooth terms + rho / 2 sum ||x - target||^2; return the last output, the mean of its members."""
        for _ in range(self.inner):
            output, offset = objective.output(self.variable)
            energy = objective.differentiable(output, offset)
            for target in targets:
                energy = energy + 0.5 * rho * (output - target).square().sum()
            self.optimizer.zero_grad()
            energy.backward()
            self.optimizer.step()
        return output.detach().mean(0, keepdim=True)


def quadratic_step(objective: Objective, targets: list[Tensor], rho: float) -> Tensor:
    """Minimise precision / 2 ||Ax - y||^2 + rho / 2 sum ||x - target||^2 in closed form (or by CG)."""
    operator, fidelity = objective.problem.operator, objective.problem.fidelity
    assert isinstance(operator, LinearOperator)
    assert isinstance(fidelity, QuadraticFidelity)
    scale = rho / fidelity.precision
    rhs = operator.adjoint(objective.problem.y)
    for target in targets:
        rhs = rhs + scale * target
    return operator.solve_damped(rhs, scale * len(targets))
