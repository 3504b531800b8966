"""Boxes of an image, to which operators and priors can be restricted."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Box:
    """A rectangle of an image. All four numbers are in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: Tensor) -> Tensor:
        """Return a view of the box's pixels: (..., H, W) to (..., height, width)."""
        rows = slice(self.top, self.top + self.height)
        return image[..., rows, self.left : self.left + self.width]
