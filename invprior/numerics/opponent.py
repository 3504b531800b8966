"""Luma and chroma axes of colour images."""

from __future__ import annotations

import torch
from torch import Tensor

_AXES = ((3**-0.5, 3**-0.5, 3**-0.5), (2**-0.5, 0.0, -(2**-0.5)), (6**-0.5, -2 * 6**-0.5, 6**-0.5))


def to_opponent(x: Tensor) -> Tensor:
    """Turn RGB, (B, 3, H, W), to luma and two chroma axes; other channel counts stay as they are.

    The turn is orthonormal: white noise stays white, and distances stay what they are.
    """
    return _turn(x, x.new_tensor(_AXES)) if x.shape[1] == 3 else x


def from_opponent(x: Tensor) -> Tensor:
    """Undo `to_opponent`."""
    return _turn(x, x.new_tensor(_AXES).T) if x.shape[1] == 3 else x


def _turn(x: Tensor, axes: Tensor) -> Tensor:
    return torch.matmul(axes, x.flatten(2)).view_as(x)
