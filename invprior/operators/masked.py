"""Measurements left out of the fit; made by `nan="mask"`, not registered."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.numerics.box import Box
from invprior.operators.base import LinearOperator, LocalOperator
from invprior.registry.options import option_values, plain_name


class Masked(LinearOperator, LocalOperator):
    """A linear operator some of whose measurements are left out of the fit, entry by entry."""

    known: Tensor

    def __init__(self, inner: LinearOperator, known: Tensor) -> None:
        super().__init__(inner.image_shape, inner.measurement_shape)
        self.inner = inner
        self.register_buffer("known", known)

    @property
    def observation_mask(self) -> Tensor:
        """What is finite and what the operator itself observes."""
        return (
            self.known
            if self.inner.observation_mask is None
            else self.known & self.inner.observation_mask
        )

    def described(self) -> tuple[type, dict[str, Any]]:
        """What provenance records: the operator; the mask is in the measurement."""
        return option_values(self.inner)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the operator, and set what is left out to 0."""
        prediction: Tensor = self.inner(x)
        return prediction * self.known

    def adjoint(self, y: Tensor) -> Tensor:
        """Set what is left out to 0, and apply the adjoint."""
        return self.inner.adjoint(y * self.known)

    @property
    def alignment(self) -> int:
        """The operator's."""
        return self.inner.alignment if isinstance(self.inner, LocalOperator) else 1

    @property
    def halo(self) -> int:
        """The operator's."""
        return self.inner.halo if isinstance(self.inner, LocalOperator) else 0

    def restrict(self, box: Box) -> tuple[Masked, Box]:
        """Restrict the operator, and the mask to what the box makes."""
        if not isinstance(self.inner, LocalOperator):
            raise IncompatibleError(f"{plain_name(type(self.inner))} does not act locally.")
        inner, measured = self.inner.restrict(box)
        assert isinstance(inner, LinearOperator)
        return Masked(inner, measured.of(self.known)), measured

    @property
    def is_mask(self) -> bool:
        """Where the operator itself changes no pixel."""
        return self.inner.is_identity or self.inner.is_mask

    @property
    def direct(self) -> bool:
        """Where the operator only leaves pixels out."""
        return self.is_mask

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Closed form, pixel by pixel, where the operator only leaves pixels out; else by conjugate gradients."""
        if self.direct:
            return rhs / (self.observation_mask + damping)
        return super().solve_damped(rhs, damping)

    def norm(self) -> float:
        """The operator's norm, since a mask only shrinks."""
        return self.inner.norm()
