"""An operator for invprior."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from invprior import LinearOperator


class Mine(LinearOperator):
    """Darkens an image towards its border, as a lens does: multiplies each pixel by a known gain.

    Args:
        corner: the gain in the corners.
    """

    def __init__(
        self, image_shape: tuple[int, ...], *, corner: Annotated[float, Interval(gt=0, le=1)] = 0.3
    ) -> None:
        super().__init__(image_shape)  # pass the shape of y too if it differs from that of x
        self.corner = corner

    def forward(self, x: Tensor) -> Tensor:
        """Apply A: (B, C, H, W) to the same."""
        return self._gain(x) * x

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^H: (B, C, H, W) to the same; without this method autograd computes it."""
        return self._gain(y) * y

    def norm(self) -> float:
        """Return an upper bound on the norm; without this method the Lanczos method finds one."""
        return 1.0  # the gain in the centre; solvers diverge if the bound is too small

    def _gain(self, like: Tensor) -> Tensor:
        """Return the gain of each pixel, (H, W), which falls with the square of the distance from the centre."""
        # made on the device and in the precision of the image; a large tensor would be a buffer instead
        y, x = (
            torch.linspace(-1, 1, side, device=like.device, dtype=like.dtype)
            for side in self.image_shape[-2:]
        )
        return 1 - (1 - self.corner) * (y[:, None] ** 2 + x**2) / 2
