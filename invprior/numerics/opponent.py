"""Luma and chroma axes of colour images."""

from __future__ import annotations

import torch
from torch import Tensor

# Orthonormal rows: luma, red against blue, green against red and blue.
_AXES = ((3**-0.5, 3**-0.5, 3**-0.5), (2**-0.5, 0.0, -(2**-0.5)), (6**-0.5, -2 * 6**-0.5, 6**-0.5))


def to_opponent(x: Tensor) -> Tensor:
    """Rotate RGB, (B, 3, H, W), to luma and two chroma axes.

    Images with another number of channels are returned unchanged. The rotation is orthonormal, so
    white noise stays white and distances do not change.
    """
    return _rotate(x, x.new_tensor(_AXES)) if x.shape[1] == 3 else x


def from_opponent(x: Tensor) -> Tensor:
    """Apply the inverse of `to_opponent`."""
    return _rotate(x, x.new_tensor(_AXES).T) if x.shape[1] == 3 else x


def _rotate(x: Tensor, axes: Tensor) -> Tensor:
    return torch.matmul(axes, x.flatten(2)).view_as(x)
