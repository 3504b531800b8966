"""Gaussian noise with outliers."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt
from torch import Tensor
from torch.nn.functional import huber_loss

from invprior.errors import OptionError
from invprior.fidelities.base import ProximableFidelity


class Huber(ProximableFidelity):
    """Least squares, but absolute values for large residuals: Gaussian noise with outliers.

    E = sum h((Ax - y) / sigma) with h(t) = t^2 / 2 for |t| <= delta, and delta (|t| - delta / 2)
    beyond.

    Args:
        sigma: standard deviation of the noise without its outliers, in intensities of [0, 1];
            estimated from y when absent.
        delta: where outliers begin, in multiples of sigma; at 1.345 the loss against least squares
            is 5 % when the noise is truly Gaussian.

    Source: Huber, Robust estimation of a location parameter, Ann. Math. Statist. 35 (1964).
    """

    def __init__(
        self,
        *,
        sigma: Annotated[float, Gt(0)] | None = None,
        delta: Annotated[float, Gt(0)] = 1.345,
    ) -> None:
        super().__init__()
        self.sigma = sigma
        self.delta = delta

    @property
    def noise_level(self) -> float | None:
        """Sigma, or None while it is open."""
        return self.sigma

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute E of each image, (B,)."""
        sigma = self._sigma()
        losses = huber_loss(prediction, y, reduction="none", delta=self.delta * sigma)
        return losses.flatten(1).sum(1) / sigma**2

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Gradient: the residual, limited to delta sigma, over sigma^2."""
        sigma = self._sigma()
        limit = self.delta * sigma
        return (prediction - y).clamp(-limit, limit) / sigma**2

    def lipschitz(self) -> float:
        """1 / sigma^2."""
        return 1.0 / self._sigma() ** 2

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Closed form: with t = tau / sigma^2, a residual r shrinks by r t / (1 + t).

        It shrinks by t delta sigma at most.
        """
        sigma = self._sigma()
        t = tau / sigma**2
        limit = t * self.delta * sigma
        return v - ((v - y) * (t / (1.0 + t))).clamp(-limit, limit)

    def with_noise_level(self, sigma: float) -> Huber:
        """Set sigma when it is open."""
        return self if self.sigma is not None else Huber(sigma=sigma, delta=self.delta)

    def _sigma(self) -> float:
        if self.sigma is None:
            raise OptionError(
                "huber has no sigma yet: give one, or let a Problem estimate it from y."
            )
        return self.sigma
