"""Gradients against the change of the values that they belong to."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from invprior.numerics.tensor_diff import difference
from invprior.testing.method_calls import noise

_STEP = 1e-6
_DIRECTIONS = 6


def slopes(value: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """How the values, (B,), change along some fixed directions at x: (directions, B), by central differences."""
    found = []
    with torch.no_grad():
        for direction in _directions(x):
            step = _STEP * direction
            found.append((value(x + step) - value(x - step)) / (2 * _STEP))
    return torch.stack(found)


def gradient_fault(
    value: Callable[[Tensor], Tensor], gradient: Tensor, x: Tensor, tolerance: float = 1e-3
) -> str | None:
    """Say how a gradient at x is wrong, to stand behind "is"; None when it is that of the values."""
    along = [(gradient * d).flatten(1).sum(1) for d in _directions(x)]
    return difference(torch.stack(along), slopes(value, x), tolerance)


def automatic(value: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Autograd's gradient of the summed values at x.

    Raises:
        RuntimeError: the value does not depend on x in a way that autograd sees.
    """
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(value(leaf).sum(), leaf)
    return gradient


def curvature_found(gradient: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """A lower bound on the Lipschitz constant of a gradient, by power iteration on its change at x."""
    step, found = 1e-4, 0.0
    base, v = gradient(x), noise(*x.shape, seed=5)
    for _ in range(12):
        v = v / v.norm()
        v = (gradient(x + step * v) - base) / step
        found = max(found, float(v.norm()))
        if found == 0.0:
            break
    return found


def _directions(x: Tensor) -> list[Tensor]:
    return [noise(*x.shape, seed=10 + i).to(x) for i in range(_DIRECTIONS)]
