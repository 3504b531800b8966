"""A complex operator on real and imaginary parts, in which a run works; it is not registered."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from invprior.numerics.complex_parts import from_parts, parts
from invprior.operators.base import LinearOperator
from invprior.registry.options import option_values


class InParts(LinearOperator):
    """A linear operator on complex images as one on real images of twice the channels, with twice the measurements.

    The parts keep the real part of every inner product. So the adjoint, the norm and the damped inverse are those of
    the operator.

    Args:
        inner: the operator, which takes complex images.
    """

    def __init__(self, inner: LinearOperator) -> None:
        super().__init__(_twice(inner.image_shape), _twice(inner.measurement_shape))
        self.inner, self.notes = inner, inner.notes
        self.measures_pictures = inner.measures_pictures  # type: ignore[misc]

    def described(self) -> tuple[type, dict[str, Any]]:
        """Return the operator's class and options, for records."""
        return option_values(self.inner)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the operator."""
        return parts(self.inner(from_parts(x)))

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the adjoint."""
        return parts(self.inner.adjoint(from_parts(y)))

    def normal(self, x: Tensor) -> Tensor:
        """Apply both."""
        return parts(self.inner.normal(from_parts(x)))

    def norm(self) -> float:
        """Return the operator's norm."""
        return self.inner.norm()

    @property
    def direct(self) -> bool:
        """Whether the operator has a closed form."""
        return self.inner.direct

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Solve as the operator does."""
        return parts(self.inner.solve_damped(from_parts(rhs), damping))

    @property
    def back_projects(self) -> bool:
        """Whether the operator does so cheaply."""
        return self.inner.back_projects

    def back_project(self, y: Tensor, damping: float) -> Tensor:
        """Back-project as the operator does."""
        return parts(self.inner.back_project(from_parts(y), damping))

    @property
    def observation_mask(self) -> Tensor | None:
        """That of the operator, for both parts."""
        mask = self.inner.observation_mask
        if mask is None:
            return None
        mask = mask.expand(1, *self.inner.measurement_shape)
        return torch.cat((mask, mask), 1)

    @property
    def is_identity(self) -> bool:
        """Whether the operator is the identity."""
        return self.inner.is_identity

    @property
    def is_mask(self) -> bool:
        """Whether the operator is a mask."""
        return self.inner.is_mask


def _twice(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (2 * shape[0], *shape[1:])
