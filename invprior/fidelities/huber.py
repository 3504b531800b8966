"""The data fidelity of Gaussian noise with outliers."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt
from torch import Tensor
from torch.nn.functional import huber_loss

from invprior.fidelities.base import ProximableFidelity, given


class Huber(ProximableFidelity):
    """Least squares for small residuals, absolute values for large ones: Gaussian noise with outliers.

    E = sum h((Ax - y) / sigma), with h(t) = t^2 / 2 for |t| <= delta and
    h(t) = delta (|t| - delta / 2) otherwise.

    Args:
        sigma: standard deviation of the noise without its outliers, in units of the data;
            estimated from y when absent.
        delta: residual at which outliers begin, in multiples of sigma. At 1.345 the estimate loses
            5 % of its efficiency when the noise is truly Gaussian.

    Source: Huber, Robust estimation of a location parameter, Ann. Math. Statist. 35 (1964).
    """

    offset_invariant = True

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
        """The standard deviation, or None while it is open."""
        return self.sigma

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return E of each image, (B,)."""
        sigma = self._sigma()
        # torch's loss is in units of the residual; the division below puts it in units of sigma.
        losses = huber_loss(prediction, y, reduction="none", delta=self.delta * sigma)
        return losses.flatten(1).sum(1) / sigma**2

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return the residual, clipped to delta sigma, over sigma^2."""
        sigma = self._sigma()
        limit = self.delta * sigma
        return (prediction - y).clamp(-limit, limit) / sigma**2

    def lipschitz(self) -> float:
        """Return 1 / sigma^2."""
        return 1.0 / self._sigma() ** 2

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Return v with its residual r = v - y shrunk by r t / (1 + t), with t = tau / sigma^2.

        The residual shrinks by t delta sigma at most.
        """
        sigma = self._sigma()
        # In the quadratic zone the shrinkage is that of gaussian, beyond it that of laplace.
        t = tau / sigma**2
        limit = t * self.delta * sigma
        return v - ((v - y) * (t / (1.0 + t))).clamp(-limit, limit)

    def with_noise_level(self, sigma: float) -> Huber:
        """Return the fidelity with an open sigma set."""
        return self if self.sigma is not None else Huber(sigma=sigma, delta=self.delta)

    def _sigma(self) -> float:
        return given(self.sigma, "sigma", "huber")
