"""The colour filter array of a camera, which measures one colour at each pixel."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.numerics.box import Box
from invprior.operators.base import LinearOperator, LocalOperator, Shape

Pattern = Literal["rggb", "bggr", "grbg", "gbrg"]


class Bayer(LinearOperator, LocalOperator):
    """The mosaic of a Bayer sensor: (3, H, W) to (1, H, W), one of red, green and blue at each pixel.

    Args:
        pattern: the colours of the first two rows of two pixels, from left to right and from top to bottom.

    Source: Bayer 1976, US patent 3,971,065.
    """

    chosen: Tensor

    def __init__(self, image_shape: Shape, *, pattern: Pattern = "rggb") -> None:
        if len(image_shape) != 3 or image_shape[0] != 3:
            raise IncompatibleError(
                f"bayer takes images of 3 channels, red, green and blue; got the shape {tuple(image_shape)}."
            )
        height, width = image_shape[1:]
        if min(height, width) < 2:
            raise IncompatibleError(
                f"bayer needs an image of at least 2 x 2 pixels, one period of its pattern; got {height} x {width}."
            )
        super().__init__(image_shape, (1, height, width))
        self.pattern = pattern
        colours = torch.tensor(["rgb".index(letter) for letter in pattern]).view(2, 2)
        mosaic = colours.repeat(-(-height // 2), -(-width // 2))[:height, :width]
        # Not persistent: the pattern makes it again.
        chosen = torch.stack([mosaic == colour for colour in range(3)])[None]
        self.register_buffer("chosen", chosen, persistent=False)

    @classmethod
    def image_shape_for(cls, measurement_shape: Shape, **options: Any) -> Shape:
        """Return three channels for the one of the mosaic."""
        channels, height, width = measurement_shape
        if channels != 1:
            raise IncompatibleError(
                f"The measurement of bayer must have one channel, the mosaic; got {channels}. Give the raw image, "
                "or simulate a mosaic of a colour image (--simulate, invprior.simulate)."
            )
        return (3, height, width)

    def noise_view(self, y: Tensor) -> Tensor:
        """Return the pixels of each place in the pattern as an image of its own, (1, 4, H // 2, W // 2)."""
        height, width = (n // 2 * 2 for n in y.shape[-2:])
        return torch.nn.functional.pixel_unshuffle(y[..., :height, :width], 2)

    def forward(self, x: Tensor) -> Tensor:
        """Keep one colour at each pixel: (B, 3, H, W) to (B, 1, H, W)."""
        return (x * self.chosen).sum(1, keepdim=True)

    def adjoint(self, y: Tensor) -> Tensor:
        """Put each pixel into the channel of its colour, with 0 in the others."""
        return y * self.chosen

    def normal(self, x: Tensor) -> Tensor:
        """Set the colours that are not measured to 0."""
        return x * self.chosen

    @property
    def direct(self) -> bool:
        """Always true."""
        return True

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Divide by the mask plus the damping, which is exact as A^H A is diagonal."""
        return rhs / (self.chosen.to(rhs.dtype) + damping)

    def norm(self) -> float:
        """Return 1."""
        return 1.0

    @property
    def alignment(self) -> int:
        """The period of the pattern, 2 pixels."""
        return 2

    def restrict(self, box: Box) -> tuple[Bayer, Box]:
        """Return the operator on images of the box's size, and the box."""
        return Bayer((3, box.height, box.width), pattern=self.pattern), box
