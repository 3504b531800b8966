"""The x-step that ADMM and HQS share: fit the data and stay near the copies of the prior terms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from invprior.fidelities.base import QuadraticFidelity
from invprior.numerics.linalg import correction, norm
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


def quadratic_step(
    objective: Objective,
    targets: list[Tensor],
    rho: float,
    start: Tensor,
    reduction: float,
    steps: int,
) -> tuple[Tensor, bool]:
    """Return the minimiser of precision / 2 ||Ax - y||^2 + rho / 2 sum ||x - target||^2, as `damped_step` does.

    Args:
        objective: the objective, its operator linear and its fidelity quadratic.
        targets: the points to stay near, (1, C, H, W) each.
        rho: the coupling.
        start: an estimate of the result, such as the last one.
        reduction: see `damped_step`.
        steps: see `damped_step`.
    """
    problem = objective.problem
    assert isinstance(problem.operator, LinearOperator)
    assert isinstance(problem.fidelity, QuadraticFidelity)
    coupling = rho / problem.fidelity.precision
    return damped_step(problem.operator, problem.y, targets, coupling, start, reduction, steps)


def damped_step(
    operator: LinearOperator,
    y: Tensor,
    targets: list[Tensor],
    coupling: float,
    start: Tensor,
    reduction: float,
    steps: int,
) -> tuple[Tensor, bool]:
    """Return the minimiser of ||Ax - y||^2 + coupling sum ||x - target||^2, in closed form or by conjugate gradients.

    Args:
        operator: A.
        y: (1, *measurement_shape).
        targets: (1, C, H, W) each.
        coupling: positive.
        start: an estimate of the result, such as the last one.
        reduction: the fraction of start's residual that conjugate gradients leave. Relative to ||A^H y||, a residual
            would be an error of any size where the coupling is small, and outgrow the steps of admm.
        steps: largest number of conjugate gradients, each of which applies A and A^H once.

    Returns:
        x, (1, C, H, W), and whether it is exact, or its residual at most half of what `start` left.
    """
    # The system for x - start: a closed form for x itself would divide the rounding errors of A^H y by the damping.
    residual = operator.adjoint(y - operator(start))
    for target in targets:
        residual = residual + coupling * (target - start)
    damping = coupling * len(targets)
    if operator.direct:
        return start + operator.solve_damped(residual, damping), True
    before = norm(residual)
    step, left = correction(
        lambda d: operator.normal(d) + damping * d, residual, reduction * before, steps
    )
    return start + step, bool((left <= 0.5 * before).all())
