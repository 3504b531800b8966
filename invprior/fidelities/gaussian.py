"""The data fidelity of Gaussian noise."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Gt
from torch import Tensor

from invprior.fidelities.base import QuadraticFidelity, given
from invprior.numerics.linalg import dot


class Gaussian(QuadraticFidelity):
    """Least squares, ||Ax - y||^2 / (2 sigma^2), for white Gaussian noise.

    Args:
        sigma: standard deviation of the noise, in units of the data, of complex data that of the real and of the
            imaginary part; estimated from y when absent.
        clipping: "auto" takes into account that a camera or a file has clipped the noise at black and white, where y is
            the image or a part of its pixels. The minimiser then estimates the mean of the clipped pixels, and the run
            returns the image that has this mean (Foi 2009, "Clipped noisy images", Signal Processing 89). "ignore"
            returns the minimiser.
    """

    takes_complex = True

    def __init__(
        self,
        *,
        sigma: Annotated[float, Gt(0)] | None = None,
        clipping: Literal["auto", "ignore"] = "auto",
    ) -> None:
        super().__init__()
        self.sigma, self.clipping = sigma, clipping
        self.undoes_clipping = clipping == "auto"

    @property
    def precision(self) -> float:
        """1 / sigma^2."""
        return 1.0 / given(self.sigma, "sigma", "gaussian") ** 2

    @property
    def noise_level(self) -> float | None:
        """The standard deviation, or None while it is open."""
        return self.sigma

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return E of each image, (B,)."""
        residual = prediction - y
        return 0.5 * self.precision * dot(residual, residual)

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return the gradient, (prediction - y) / sigma^2."""
        return (prediction - y) * self.precision

    def lipschitz(self) -> float:
        """Return 1 / sigma^2."""
        return self.precision

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Return (v + t y) / (1 + t) with t = tau / sigma^2."""
        t = tau * self.precision
        return (v + t * y) / (1.0 + t)

    def with_noise_level(self, sigma: float) -> Gaussian:
        """Return the fidelity with an open sigma set."""
        return self if self.sigma is not None else Gaussian(sigma=sigma, clipping=self.clipping)
