"""Complex tensors as real ones: the real parts first, the imaginary parts behind them, along the channels."""

from __future__ import annotations

import torch
from torch import Tensor


def parts(z: Tensor) -> Tensor:
    """Return the real and the imaginary parts, (B, C, ...) to (B, 2 C, ...); a real tensor is returned unchanged."""
    return torch.cat((z.real, z.imag), 1) if z.is_complex() else z


def from_parts(x: Tensor) -> Tensor:
    """Return the complex tensor of its parts, (B, 2 C, ...) to (B, C, ...)."""
    return torch.complex(*x.chunk(2, 1))


def magnitude(z: Tensor) -> Tensor:
    """Return the magnitude of a complex tensor; a real one is returned unchanged, negative values included."""
    return z.abs() if z.is_complex() else z
