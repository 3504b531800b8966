"""Linear algebra on images: inner products, conjugate gradients, bounds on norms."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each image of a batch: (B, ...) and (B, ...) to (B,)."""
    return (a * b).flatten(1).sum(1)


def norm(a: Tensor) -> Tensor:
    """Euclidean norm of each image of a batch: (B, ...) to (B,)."""
    length: Tensor = torch.linalg.vector_norm(a.flatten(1), dim=1)
    return length


def negative_laplacian(x: Tensor) -> Tensor:
    """Apply grad^T grad: (B, C, H, W) to the same.

    The gradient takes forward differences and has none across the border (Neumann).
    """
    result = torch.zeros_like(x)
    for dim in (-2, -1):
        size = x.shape[dim] - 1
        step = x.diff(dim=dim)
        result.narrow(dim, 1, size).add_(step)
        result.narrow(dim, 0, size).sub_(step)
    return result


def conjugate_gradients(
    matrix: Callable[[Tensor], Tensor],
    rhs: Tensor,
    x0: Tensor | None = None,
    *,
    tolerance: float = 1e-6,
    steps: int = 500,
) -> Tensor:
    """Solve matrix(x) = rhs for a symmetric positive definite matrix.

    Each image of the batch is a system of its own.

    Args:
        matrix: linear map of (B, ...) to (B, ...).
        rhs: right-hand side, (B, ...).
        x0: initial estimate; zeros when absent.
        tolerance: stop when ||residual|| <= tolerance * ||rhs|| for every image.
        steps: largest number of iterations.

    Source: Hestenes and Stiefel 1952.
    """

    def spread(scalar: Tensor) -> Tensor:
        return scalar.view(-1, *[1] * (rhs.dim() - 1))

    x = torch.zeros_like(rhs) if x0 is None else x0.clone()
    residual = rhs.clone() if x0 is None else rhs - matrix(x)
    direction = residual
    energy = dot(residual, residual)
    goal = tolerance**2 * dot(rhs, rhs)
    for step in range(steps):
        # Reading a number from a GPU waits for it, so only every fifth step does.
        if step % 5 == 0 and bool((energy <= goal).all()):
            break
        product = matrix(direction)
        # A converged image has energy 0: the clamp turns its 0/0 into a step of 0.
        alpha = energy / dot(direction, product).clamp_min(torch.finfo(rhs.dtype).tiny)
        x = x + spread(alpha) * direction
        residual = residual - spread(alpha) * product
        previous, energy = energy, dot(residual, residual)
        beta = energy / previous.clamp_min(torch.finfo(rhs.dtype).tiny)
        direction = residual + spread(beta) * direction
    return x


def perron_norm(normal: Callable[[Tensor], Tensor], like: Tensor, *, steps: int = 20) -> float:
    """Return a certain upper bound on the norm of an A with entries >= 0.

    For every positive v, the squared norm is at most the largest ratio (A^H A v) / v. Power
    iteration from a constant v tightens this bound. Plain power iteration approaches the norm from
    below and may stop there.

    Args:
        normal: the map x to A^H A x.
        like: a tensor of x's shape, dtype and device, (1, ...).
        steps: number of iterations; the bound holds after any number of them.

    Source: Collatz 1942, Wielandt 1950.
    """
    v = torch.ones_like(like)
    bound = math.inf
    for _ in range(steps):
        image = normal(v)
        bound = min(bound, float((image / v).max()))
        # The bound needs v > 0 also at pixels that A does not see.
        v = (image / image.max()).clamp_min(1e-6)
    return math.sqrt(bound) * (1.0 + 1e-6)  # covers the rounding of the ratios


def spectral_norm(normal: Callable[[Tensor], Tensor], like: Tensor, *, steps: int = 100) -> float:
    """Estimate the norm of A by power iteration on `normal` = A^H A, and raise it a little.

    Power iteration approaches the norm from below. The result is therefore raised by 1 % and by the
    last relative change, so that a step of 1 / norm^2 is safe.

    Args:
        normal: the map x to A^H A x.
        like: a tensor of x's shape, dtype and device, (1, ...).
        steps: largest number of iterations. They end when the estimate changes by less than 1e-4,
            relatively.
    """
    # A fixed seed on the CPU: the same norm in every run and on every device.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like)
    previous, change = 0.0, 1.0
    for _ in range(steps):
        length = float(torch.linalg.vector_norm(x))
        if length == 0.0:  # A x = 0 for a random x, so A is 0
            return 0.0
        x = normal(x / length)
        value = float(torch.linalg.vector_norm(x))
        change = abs(value - previous) / max(value, 1e-30)
        previous = value
        if change < 1e-4:
            break
    return float(previous**0.5 * (1.01 + change))
