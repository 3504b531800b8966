"""Denoising: the measurement is the image itself."""

from __future__ import annotations

from torch import Tensor

from invprior.numerics.box import Box
from invprior.operators.base import LinearOperator, LocalOperator, Shape


class Denoise(LinearOperator, LocalOperator):
    """The identity, y = x: what is left to undo is the noise."""

    def __init__(self, image_shape: Shape) -> None:
        super().__init__(image_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """Return y."""
        return y

    def normal(self, x: Tensor) -> Tensor:
        """Return x."""
        return x

    @property
    def is_identity(self) -> bool:
        """Always."""
        return True

    @property
    def direct(self) -> bool:
        """Always in closed form."""
        return True

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Closed form: rhs / (1 + damping)."""
        return rhs / (1.0 + damping)

    def norm(self) -> float:
        """1."""
        return 1.0

    def restrict(self, box: Box) -> tuple[Denoise, Box]:
        """The identity of the box."""
        return Denoise((*self.image_shape[:-2], box.height, box.width)), box
