"""Small parts of known behaviour, from which problems for solvers and stopping rules are made."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invprior.fidelities.base import Fidelity
from invprior.fidelities.gaussian import Gaussian
from invprior.operators.base import LinearOperator, Operator
from invprior.problem.functionals import (
    Functional,
    Penalty,
    Prior,
    Proximable,
    Reparameterization,
    Term,
)
from invprior.problem.problem import Problem
from invprior.testing.method_calls import images, noise

SHAPE = (1, 4, 3)
WEIGHT, SIGMA = 7.0, 0.2


class Counted:
    """Counts how often it is asked."""

    asked = 0


class Value(Counted, Penalty):
    """1/2 ||x||^2 by its value alone, which is said to be of unbounded curvature."""

    def value(self, x: Tensor) -> Tensor:
        """1/2 ||x||^2, (B,)."""
        self.asked += 1
        return 0.5 * x.square().flatten(1).sum(1)


class Smooth(Value):
    """The same, of known curvature."""

    def lipschitz(self) -> float:
        """1."""
        return 1.0


class Prox(Counted, Proximable):
    """1/2 ||x||^2 by its prox alone."""

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Shrink v by 1 + tau."""
        self.asked += 1
        return v / (1.0 + tau)


class Both(Smooth, Prox):
    """1/2 ||x||^2, with everything that a solver can ask for."""


class Sketch(Counted, Reparameterization):
    """x is the sigmoid of free numbers, drawn from the generator."""

    learning_rate = 0.05
    steps = 20

    def build(self, x0: Tensor, generator: torch.Generator) -> nn.Module:
        """Draw the numbers."""
        self.asked += 1
        return _Sigmoid(torch.rand(x0.shape, generator=generator, dtype=torch.float64).to(x0))


class _Sigmoid(nn.Module):
    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.theta = nn.Parameter(start)

    def forward(self) -> Tensor:
        return self.theta.sigmoid()


class Mixing(LinearOperator):
    """A well-conditioned dense matrix that mixes all pixels."""

    matrix: Tensor

    def __init__(self, image_shape: tuple[int, ...] = SHAPE) -> None:
        super().__init__(image_shape)
        n = torch.Size(image_shape).numel()
        eye = torch.eye(n, dtype=torch.float64)
        self.register_buffer("matrix", eye + 0.4 * noise(n, n) / n**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply each image, as a vector."""
        return (x.flatten(1) @ self.matrix.T).view(-1, *self.image_shape)


class Squaring(Operator):
    """A non-linear operator."""

    def forward(self, x: Tensor) -> Tensor:
        """x^2 / 2 + x."""
        return 0.5 * x.square() + x


class Rough(Counted, Fidelity):
    """sum |Ax - y|, without a prox or a bounded curvature."""

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """The sum, (B,)."""
        self.asked += 1
        return (prediction - y).abs().flatten(1).sum(1)


def small_problem(
    *priors: Functional, operator: Operator | None = None, fidelity: Fidelity | None = None
) -> Problem:
    """A noisy image of 12 pixels, float64, to be restored with these priors."""
    operator = operator or Mixing()
    y = operator(images(1, *SHAPE)) + 0.05 * noise(1, *SHAPE, seed=7)
    terms = [Term(p, None if isinstance(p, Reparameterization) else WEIGHT) for p in priors]
    return Problem(operator, y, Prior(tuple(terms)), fidelity or Gaussian(sigma=SIGMA))


def minimiser(problem: Problem) -> Tensor:
    """Where E + R is least, for `Mixing`, the Gaussian fidelity and one of the priors 1/2 ||x||^2."""
    operator = problem.operator
    assert isinstance(operator, Mixing)
    a, precision = operator.matrix, SIGMA**-2
    system = precision * a.T @ a + WEIGHT * torch.eye(len(a)).to(a)
    solution: Tensor = torch.linalg.solve(system, precision * a.T @ problem.y.flatten())
    return solution.view_as(problem.y)
