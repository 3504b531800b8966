"""Denoising: the measurement is the image plus noise."""

from __future__ import annotations

from torch import Tensor

from invprior.numerics.box import Box
from invprior.operators.base import LinearOperator, LocalOperator, Shape


class Denoise(LinearOperator, LocalOperator):
    """The identity, y = x; only noise is to remove."""

    takes_complex = True

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
        """Always true."""
        return True

    @property
    def direct(self) -> bool:
        """Always true."""
        return True

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Return rhs / (1 + damping), the closed form."""
        return rhs / (1.0 + damping)

    def norm(self) -> float:
        """Return 1."""
        return 1.0

    def restrict(self, box: Box) -> tuple[Denoise, Box]:
        """Return the identity on images of the box's size, and the box."""
        return Denoise((*self.image_shape[:-2], box.height, box.width)), box
