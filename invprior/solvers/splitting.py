"""The x-step that ADMM and HQS share: fit the data and stay near the copies of the prior terms."""

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
    """Return the objective of a splitting method: every prior term through its prox.

    The data term enters in closed form or through its own prox. A network's x-step is a descent, so there terms and
    fidelities with only a value fit too.

    Args:
        problem: the problem.
        solver: the solver's name, for messages.

    Raises:
        IncompatibleError: the problem does not fit.
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
    """The x-step for x = f_theta(z): some steps of Adam, whose moments persist between calls.

    Attributes:
        variable: the network.
        optimizer: Adam on its parameters.
        inner: steps per call.
    """

    variable: nn.Module
    optimizer: torch.optim.Adam
    inner: int

    @staticmethod
    def of(objective: Objective, x0: Tensor, generator: torch.Generator, inner: int) -> NetworkStep:
        """Return the x-step of a new network of the problem's reparameterisation."""
        variable = objective.variable(x0, generator)
        # The prior names a step size for Adam, whichever solver calls it.
        lr = Adam().completed(objective.problem).lr
        assert lr is not None
        return NetworkStep(variable, adam(variable, lr), inner)

    def __call__(self, objective: Objective, targets: list[Tensor], rho: float) -> Tensor:
        """Reduce E + smooth terms + rho / 2 sum ||x - target||^2 over the parameters.

        Args:
            objective: the objective.
            targets: the points to stay near, (1, C, H, W) each.
            rho: the coupling.

        Returns:
            The mean of the last outputs, (1, C, H, W).
        """
        # The moments persist, so each call continues where the last one ended, although rho and the targets have moved.
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
    """Return the minimiser of precision / 2 ||Ax - y||^2 + rho / 2 sum ||x - target||^2, (1, C, H, W).

    The operator solves the linear system in closed form or by conjugate gradients.

    Args:
        objective: the objective, its operator linear and its fidelity quadratic.
        targets: the points to stay near, (1, C, H, W) each.
        rho: the coupling.
    """
    operator, fidelity = objective.problem.operator, objective.problem.fidelity
    assert isinstance(operator, LinearOperator)
    assert isinstance(fidelity, QuadraticFidelity)
    # Divided by the precision, so that the system has the form A^H A + damping I.
    scale = rho / fidelity.precision
    rhs = operator.adjoint(objective.problem.y)
    for target in targets:
        rhs = rhs + scale * target
    return operator.solve_damped(rhs, scale * len(targets))
