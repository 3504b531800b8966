"""Gradients compared with the values that they belong to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from invprior.numerics.tensor_diff import difference
from invprior.testing.report import Fault
from invprior.testing.sample_tensors import noise

_STEP = 1e-6  # of central differences in float64: near the cube root of its precision
_DIRECTIONS = (
    6  # random ones; a gradient that is wrong in some pixels shows along nearly all of them
)


def slopes(value: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the slopes of the values, (B,), at x along fixed random directions, by central differences.

    Returns:
        The slopes, (directions, B).
    """
    found = []
    with torch.no_grad():
        for direction in _directions(x):
            step = _STEP * direction
            found.append((value(x + step) - value(x - step)) / (2 * _STEP))
    return torch.stack(found)


def gradient_fault(
    value: Callable[[Tensor], Tensor], gradient: Tensor, x: Tensor, tolerance: float = 1e-3
) -> str | None:
    """Describe how a gradient at x differs from the slopes of the values.

    Returns:
        A phrase that can follow "is"; None when the gradient is right.
    """
    along = [(gradient * d).flatten(1).sum(1) for d in _directions(x)]
    return difference(torch.stack(along), slopes(value, x), tolerance)


def automatic(value: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return autograd's gradient of the summed values at x.

    Raises:
        RuntimeError: autograd sees no dependence of the value on x.
    """
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(value(leaf).sum(), leaf)
    return gradient


def lipschitz_note(
    claimed: float, gradient: Callable[[Tensor], Tensor], points: Sequence[Tensor]
) -> str | None:
    """Compare a stated Lipschitz constant with the largest one found at some points.

    Args:
        claimed: the constant; an infinite one promises nothing.
        gradient: the gradient that it bounds.
        points: where to look.

    Returns:
        Both constants, for the report; None for an infinite one.

    Raises:
        Fault: the gradient changes faster than stated.
    """
    if math.isinf(claimed):
        return None
    found = max(_local_lipschitz(gradient, x) for x in points)
    if not found <= claimed * 1.001 + 1e-9:  # room for the rounding of difference quotients
        raise Fault(
            f"lipschitz() is {claimed:.3g}, but the gradient changes by {found:.3g} times the step"
        )
    return f"lipschitz() is {claimed:.3g}, the largest found {found:.3g}"


def _local_lipschitz(gradient: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Return a lower bound on the Lipschitz constant, by power iteration on the gradient's change at x."""
    step, found = 1e-4, 0.0
    base, v = gradient(x), noise(*x.shape, seed=5)
    # It need not converge: every step gives a lower bound.
    for _ in range(12):
        v = v / v.norm()
        v = (gradient(x + step * v) - base) / step
        found = max(found, float(v.norm()))
        if found == 0.0:  # a constant gradient; v / v.norm() would be NaN
            break
    return found


def _directions(x: Tensor) -> list[Tensor]:
    # Fixed seeds, since gradient and slopes are compared along the same directions.
    return [noise(*x.shape, seed=10 + i).to(x) for i in range(_DIRECTIONS)]
