"""How one tensor differs from another, in words: scaled, of the wrong sign, off by 1 %."""

from __future__ import annotations

import torch
from torch import Tensor


def inner(a: Tensor, b: Tensor) -> float:
    """Return the real part of the inner product <a, b> over all entries."""
    return float((a.conj() * b).real.sum())


def distance(found: Tensor, expected: Tensor) -> float:
    """Return ||found - expected|| / ||expected||, or ||found|| when `expected` is 0."""
    norm = torch.linalg.vector_norm
    size = float(norm(expected))
    apart = float(norm(found - expected))
    return apart / size if size > 0.0 else apart


def difference(found: Tensor, expected: Tensor, tolerance: float) -> str | None:
    """Describe how `found` differs from `expected`, as a phrase that can follow "is".

    Args:
        found: a tensor.
        expected: the correct tensor, of the same shape.
        tolerance: the largest relative distance that is allowed.

    Returns:
        The phrase, or None when the distance is within the tolerance.
    """
    apart = distance(found, expected)
    if apart <= tolerance:
        return None
    if apart != apart:  # NaN, which `<=` above does not catch
        return "not finite"
    # A scale is named only when it explains nine tenths of the difference.
    scale = scale_of(found, expected, min(1e-3, 0.1 * apart))
    if scale is not None:
        # Three digits would print a factor of 1.0004 as 1.
        shown = f"{scale:.3g}" if abs(scale - 1) > 5e-3 else f"1 {scale - 1:+.1g}"
        return f"scaled by {shown}, should be 1"
    return f"off by {apart:.0e} of its size"


def scale_of(found: Tensor, expected: Tensor, tolerance: float = 1e-3) -> float | None:
    """Return the factor s in `found` = s * `expected`, or None when no factor fits."""
    energy = inner(expected, expected)
    scale = inner(expected, found) / energy if energy > 0.0 else 0.0
    fits = scale != 0.0 and distance(found, scale * expected) <= tolerance
    return scale if fits else None
