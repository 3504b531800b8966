"""The absence of a prior."""

from __future__ import annotations

from torch import Tensor

from invprior.problem.functionals import Penalty, Proximable


class NoPrior(Penalty, Proximable):
    """R(x) = 0, so the data alone decide: the baseline that every prior must beat."""

    takes_complex = True
    offset_invariant = True
    degree = 0.0

    def value(self, x: Tensor) -> Tensor:
        """Return zeros, (B,), that autograd can differentiate."""
        # An empty sum stays 0 when x is not finite, unlike 0 * x.
        return x.real.flatten(1).narrow(1, 0, 0).sum(1)

    def gradient(self, x: Tensor) -> Tensor:
        """Return zeros of x's shape."""
        return x.new_zeros(x.shape)

    def lipschitz(self) -> float:
        """Return 0."""
        return 0.0

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Return v."""
        return v
