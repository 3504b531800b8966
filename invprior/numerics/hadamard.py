"""The Walsh-Hadamard transform."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def hadamard(x: Tensor, dim: int) -> Tensor:
    """Apply the orthonormal Hadamard transform along a dimension; it is its own inverse and adjoint.

    Args:
        x: any shape, with a power of two along the dimension.
        dim: the dimension.

    Source: Fino and Algazi 1976, "Unified matrix treatment of the fast Walsh-Hadamard transform".
    """
    x = x.movedim(dim, -1)
    shape, n = x.shape, x.shape[-1]
    half = 1
    while half < n:
        pairs = x.reshape(*shape[:-1], n // (2 * half), 2, half)
        first, second = pairs.unbind(-2)
        x = torch.stack([first + second, first - second], -2).reshape(shape)
        half *= 2
    scale = 1.0 / math.sqrt(n)
    return (scale * x).movedim(-1, dim)


def sequency(n: int) -> Tensor:
    """Return the number of sign changes of each row of the Hadamard matrix, (n,); it is the row's frequency."""
    index = torch.arange(n)
    count, shift = torch.zeros_like(index), 1
    # A row's Gray code is its index with the bits in reverse order (Beauchamp 1984, section 1.4).
    while shift < n:
        count = 2 * count + ((index & shift) > 0)
        shift *= 2
    shift = 1
    while shift < n:
        count = count ^ (count >> shift)
        shift *= 2
    return count
