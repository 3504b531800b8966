"""An operator with excluded measurements; `nan="mask"` makes it, and it is not registered."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.numerics.box import Box
from invprior.operators.base import LinearOperator, LocalOperator
from invprior.registry.options import option_values, plain_name


class Masked(LinearOperator, LocalOperator):
    """A linear operator with some measurements excluded from the fit, entry by entry.

    Args:
        inner: the operator.
        known: true where a measurement counts, boolean, (1, *inner.measurement_shape).
    """

    known: Tensor

    def __init__(self, inner: LinearOperator, known: Tensor) -> None:
        super().__init__(inner.image_shape, inner.measurement_shape)
        self.inner, self.notes = inner, inner.notes
        self.register_buffer("known", known)

    @property
    def observation_mask(self) -> Tensor:
        """True where an entry is finite and the operator itself observes it."""
        return (
            self.known
            if self.inner.observation_mask is None
            else self.known & self.inner.observation_mask
        )

    def noise_view(self, y: Tensor) -> Tensor | None:
        """Return the view of the operator."""
        return self.inner.noise_view(y)

    @property
    def takes_complex(self) -> bool:  # type: ignore[override]
        """Whether the operator does."""
        return self.inner.takes_complex

    @property
    def complex_images(self) -> bool:  # type: ignore[override]
        """Whether the operator's are."""
        return self.inner.complex_images

    def described(self) -> tuple[type, dict[str, Any]]:
        """Return the inner operator's class and options for provenance; the mask is in the measurement."""
        return option_values(self.inner)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the operator, and set excluded entries to 0."""
        prediction: Tensor = self.inner(x)
        return prediction * self.known

    def adjoint(self, y: Tensor) -> Tensor:
        """Set excluded entries to 0, and apply the adjoint."""
        return self.inner.adjoint(y * self.known)

    @property
    def alignment(self) -> int:
        """The alignment of the operator."""
        return self.inner.alignment if isinstance(self.inner, LocalOperator) else 1

    @property
    def halo(self) -> int:
        """The halo of the operator."""
        return self.inner.halo if isinstance(self.inner, LocalOperator) else 0

    def restrict(self, box: Box) -> tuple[Masked, Box]:
        """Restrict the operator to a box of x, and the mask to the corresponding box of y."""
        if not isinstance(self.inner, LocalOperator):
            raise IncompatibleError(f"{plain_name(type(self.inner))} does not act locally.")
        inner, measured = self.inner.restrict(box)
        assert isinstance(inner, LinearOperator)
        return Masked(inner, measured.of(self.known)), measured

    @property
    def is_mask(self) -> bool:
        """Whether the operator itself is the identity or a mask."""
        return self.inner.is_identity or self.inner.is_mask

    @property
    def direct(self) -> bool:
        """Whether the result is a mask, which is diagonal."""
        return self.is_mask

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Solve in closed form, pixel by pixel, for a mask; else by conjugate gradients."""
        if self.direct:
            return rhs / (self.observation_mask.to(rhs.dtype) + damping)
        return super().solve_damped(rhs, damping)

    def norm(self) -> float:
        """Return the operator's norm, a bound since a mask cannot increase a norm."""
        return self.inner.norm()
