"""Extension of an image beyond its border, and the adjoint of the extension.

`circular` repeats the image. `reflect` mirrors it at the border and repeats the border pixels
(half-sample symmetric, numpy's `symmetric`). `valid` does not extend: filters keep only the results
that the image determines.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Boundary: TypeAlias = Literal["reflect", "circular", "valid"]


def extend(x: Tensor, dim: int, before: int, after: int, boundary: Boundary) -> Tensor:
    """Extend x along a dimension by margins of any width, also wider than x."""
    left: list[Tensor] = []
    right: list[Tensor] = []
    for inside, _, length, mirrored, is_left in _margins(x.shape[dim], before, after, boundary):
        piece = x.narrow(dim, inside, length)
        (left if is_left else right).append(piece.flip(dim) if mirrored else piece)
    return torch.cat([*left[::-1], x, *right], dim) if left or right else x


def fold(y: Tensor, dim: int, before: int, after: int, boundary: Boundary) -> Tensor:
    """Apply the adjoint of `extend`: add the margins to the pixels that they were copied from."""
    size = y.shape[dim] - before - after
    if before == after == 0:
        return y
    x = y.narrow(dim, before, size).clone()  # `narrow` is a view, and y must not change
    for inside, outside, length, mirrored, _ in _margins(size, before, after, boundary):
        piece = y.narrow(dim, outside, length)
        x.narrow(dim, inside, length).add_(piece.flip(dim) if mirrored else piece)
    return x


def _margins(
    size: int, before: int, after: int, boundary: Boundary
) -> Iterator[tuple[int, int, int, bool, bool]]:
    """Cut the margins into tiles no longer than the image, the nearest tiles first.

    Yields:
        Where the tile begins in the image, where it begins in the extended image, its length,
        whether it is mirrored, and whether it lies on the left.
    """
    for margin, is_left in ((before, True), (after, False)):
        for tile, done in enumerate(range(0, margin, size)):
            length = min(size, margin - done)
            # A mirrored mirror image is the image again, so every second tile is not mirrored.
            mirrored = boundary == "reflect" and tile % 2 == 0
            inside = 0 if mirrored == is_left else size - length
            outside = before - done - length if is_left else before + size + done
            yield inside, outside, length, mirrored, is_left
