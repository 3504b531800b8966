"""An operator in its own package."""

from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from invprior import LinearOperator


class Vignette(LinearOperator):
    """Darkens an image towards its corners, as a lens does.

    Args:
        corner: share of the light that is left in the corners.
    """

    def __init__(
        self, image_shape: tuple[int, ...], *, corner: Annotated[float, Interval(gt=0, le=1)] = 0.3
    ) -> None:
        super().__init__(image_shape)
        self.corner = corner

    def forward(self, x: Tensor) -> Tensor:
        """Multiply by a gain that falls with the square of the distance from the centre."""
        down, across = (
            torch.linspace(-1, 1, side, device=x.device, dtype=x.dtype)
            for side in self.image_shape[-2:]
        )
        return x * (1 - (1 - self.corner) * (down[:, None] ** 2 + across**2) / 2)
