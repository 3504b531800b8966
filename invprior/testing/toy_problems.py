"""Small problems of known behaviour, on which solvers and stopping rules are tried."""

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
from invprior.problem.units import PHOTOGRAPH
from invprior.testing.sample_tensors import images, noise

SHAPE = (1, 4, 3)  # 12 pixels: the minimiser is the solution of a small dense system
WEIGHT, SIGMA = 7.0, 0.2  # the data weigh 1 / sigma^2 = 25, so neither term can be ignored


class CountsCalls:
    """Counts the calls of its methods, so that a check sees whether a solver uses a term at all."""

    calls = 0


class ValueOnly(CountsCalls, Penalty):
    """1/2 ||x||^2, offered as a value alone, with an infinite Lipschitz constant."""

    def value(self, x: Tensor) -> Tensor:
        """1/2 ||x||^2, (B,)."""
        self.calls += 1
        return 0.5 * x.square().flatten(1).sum(1)


class SmoothValue(ValueOnly):
    """1/2 ||x||^2 with the Lipschitz constant of its gradient."""

    def lipschitz(self) -> float:
        """1."""
        return 1.0


class ProxOnly(CountsCalls, Proximable):
    """1/2 ||x||^2, offered as a prox alone."""

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Shrink v by 1 + tau."""
        self.calls += 1
        return v / (1.0 + tau)


class ValueAndProx(SmoothValue, ProxOnly):
    """1/2 ||x||^2 with everything that a solver can use."""


class SigmoidPixels(CountsCalls, Reparameterization):
    """x is the sigmoid of one free parameter per pixel, drawn from the generator."""

    default_solver = "adam:lr=0.05"
    steps = 20

    def build(self, x0: Tensor, generator: torch.Generator) -> nn.Module:
        """Draw the parameters."""
        self.calls += 1
        return _Sigmoid(torch.rand(x0.shape, generator=generator, dtype=torch.float64).to(x0))


class _Sigmoid(nn.Module):
    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.theta = nn.Parameter(start)

    def forward(self) -> Tensor:
        return self.theta.sigmoid()


class DenseMatrix(LinearOperator):
    """A well-conditioned dense matrix that mixes all pixels."""

    matrix: Tensor

    def __init__(self, image_shape: tuple[int, ...] = SHAPE) -> None:
        super().__init__(image_shape)
        n = torch.Size(image_shape).numel()
        eye = torch.eye(n, dtype=torch.float64)
        # Dividing by sqrt(n) keeps the norm of the random part near 0.8 at any size, below that of the identity.
        self.register_buffer("matrix", eye + 0.4 * noise(n, n) / n**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply each image, as a vector."""
        return (x.flatten(1) @ self.matrix.T).view(-1, *self.image_shape)


class Squaring(Operator):
    """A non-linear operator."""

    def forward(self, x: Tensor) -> Tensor:
        """x^2 / 2 + x."""
        return 0.5 * x.square() + x


class AbsoluteError(CountsCalls, Fidelity):
    """sum |Ax - y|, without a prox and with an infinite Lipschitz constant."""

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """The sum, (B,)."""
        self.calls += 1
        return (prediction - y).abs().flatten(1).sum(1)


def small_problem(
    *priors: Functional, operator: Operator | None = None, fidelity: Fidelity | None = None
) -> Problem:
    """Return the problem to restore a noisy image of 12 pixels, float64, with these priors."""
    operator = operator or DenseMatrix()
    y = operator(images(1, *SHAPE)) + 0.05 * noise(1, *SHAPE, seed=7)
    terms = [Term(p, None if isinstance(p, Reparameterization) else WEIGHT) for p in priors]
    # The range keeps a run in the units of the data, in which the minimiser below is.
    return Problem(
        operator, y, Prior(tuple(terms)), fidelity or Gaussian(sigma=SIGMA), data_range=PHOTOGRAPH
    )


def minimiser(problem: Problem) -> Tensor:
    """Return the minimiser of E + R for `DenseMatrix`, the Gaussian fidelity and one of the priors 1/2 ||x||^2.

    It solves the normal equations (A^T A / sigma^2 + weight I) x = A^T y / sigma^2.
    """
    operator = problem.operator
    assert isinstance(operator, DenseMatrix)
    a, precision = operator.matrix, SIGMA**-2
    system = precision * a.T @ a + WEIGHT * torch.eye(len(a)).to(a)
    solution: Tensor = torch.linalg.solve(system, precision * a.T @ problem.y.flatten())
    return solution.view_as(problem.y)
