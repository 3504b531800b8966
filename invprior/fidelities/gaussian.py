"""Gaussian noise."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt
from torch import Tensor

from invprior.errors import OptionError
from invprior.fidelities.base import QuadraticFidelity
from invprior.numerics.linalg import dot


class Gaussian(QuadraticFidelity):
    """Least squares, ||Ax - y||^2 / (2 sigma^2): white Gaussian noise.

    Args:
        sigma: standard deviation of the noise, in intensities of [0, 1]; estimated from y when absent.
    """

    def __init__(self, *, sigma: Annotated[float, Gt(0)] | None = None) -> None:
        super().__init__()
        self.sigma = sigma

    @property
    def precision(self) -> float:
        """1 / sigma^2."""
        if self.sigma is None:
            raise OptionError(
                "gaussian has no sigma yet: give one, or let a Problem estimate it from y."
            )
        return 1.0 / self.sigma**2

    @property
    def noise_level(self) -> float | None:
        """Sigma, or None while it is open."""
        return self.sigma

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute E of each image, (B,)."""
        residual = prediction - y
        return 0.5 * self.precision * dot(residual, residual)

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Gradient, (prediction - y) / sigma^2."""
        return (prediction - y) * self.precision

    def lipschitz(self) -> float:
        """1 / sigma^2."""
        return self.precision

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Closed form: (v + t y) / (1 + t) with t = tau / sigma^2."""
        t = tau * self.precision
        return (v + t * y) / (1.0 + t)

    def with_noise_level(self, sigma: float) -> Gaussian:
        """Set sigma when it is open."""
        return self if self.sigma is not None else Gaussian(sigma=sigma)
