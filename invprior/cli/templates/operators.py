"""An operator in a package of its own."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from invprior import LinearOperator


class Mine(LinearOperator):
    """Darkens an image towards its border, as a lens does: each pixel is multiplied by a known gain.

    Args:
        corner: what is left of the light in the corners.
    """

    def __init__(
        self, image_shape: tuple[int, ...], *, corner: Annotated[float, Interval(gt=0, le=1)] = 0.3
    ) -> None:
        super().__init__(image_shape)  # pass the shape of y as well where it differs from that of x
        self.corner = corner

    def forward(self, x: Tensor) -> Tensor:
        """Apply A: (B, C, H, W) to the same."""
        return self._gain(x) * x

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^H; leave it out, and autograd computes it."""
        return self._gain(y) * y

    def norm(self) -> float:
        """An upper bound on the norm; leave it out, and power iteration finds one."""
        return 1.0

    def _gain(self, like: Tensor) -> Tensor:
        """Falls with the square of the distance from the middle; made on the image's device, in its precision."""
        y, x = (
            torch.linspace(-1, 1, side, device=like.device, dtype=like.dtype)
            for side in self.image_shape[-2:]
        )
        return 1 - (1 - self.corner) * (y[:, None] ** 2 + x**2) / 2
