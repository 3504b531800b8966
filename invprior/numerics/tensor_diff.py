"""How one tensor differs from another, in words: scaled, of the wrong sign, off by so much."""

from __future__ import annotations

import torch
from torch import Tensor


def inner(a: Tensor, b: Tensor) -> float:
    """Real part of the inner product <a, b>, over everything."""
    return float((a.conj() * b).real.sum())


def distance(found: Tensor, expected: Tensor) -> float:
    """||found - expected|| / ||expected||, or ||found|| where `expected` is 0."""
    norm = torch.linalg.vector_norm
    size = float(norm(expected))
    apart = float(norm(found - expected))
    return apart / size if size > 0.0 else apart


def difference(found: Tensor, expected: Tensor, tolerance: float) -> str | None:
    """Say how `found` is wrong, to stand behind "is"; None when it is right.

    Args:
        found: a tensor.
        expected: what it should be, of the same shape.
        tolerance: the relative distance that is allowed.
    """
    apart = distance(found, expected)
    if apart <= tolerance:
        return None
    if apart != apart:
        return "not finite"
    scale = scale_of(found, expected, min(1e-3, 0.1 * apart))  # it must explain the difference
    if scale is not None:
        return f"scaled by {scale:.3g}, should be 1"
    return f"off by {apart:.0e} of its size"


def scale_of(found: Tensor, expected: Tensor, tolerance: float = 1e-3) -> float | None:
    """The factor s of `found` = s * `expected`; None when there is none."""
    energy = inner(expected, expected)
    scale = inner(expected, found) / energy if energy > 0.0 else 0.0
    fits = scale != 0.0 and distance(found, scale * expected) <= tolerance
    return scale if fits else None
