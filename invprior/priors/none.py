"""No prior at all."""

from __future__ import annotations

from torch import Tensor

from invprior.problem.functionals import Penalty, Proximable


class NoPrior(Penalty, Proximable):
    """R(x) = 0: the data alone decide, which is the baseline that every prior must beat."""

    def value(self, x: Tensor) -> Tensor:
        """Zeros, (B,), that autograd can differentiate."""
        return x.flatten(1).narrow(1, 0, 0).sum(1)

    def gradient(self, x: Tensor) -> Tensor:
        """Zeros of x's shape."""
        return x.new_zeros(x.shape)

    def lipschitz(self) -> float:
        """Zero."""
        return 0.0

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """The identity."""
        return v
