"""Linear algebra on images: inner products, conjugate gradients, bounds on norms."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from invprior.numerics.complex_parts import parts


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each image of a batch, for complex values its real part: (B, ...) and (B, ...) to (B,)."""
    return (a.conj() * b).real.flatten(1).sum(1)


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
    """Solve matrix(x) = rhs for a symmetric or Hermitian, positive definite matrix.

    Each image of the batch is a system of its own.

    Args:
        matrix: linear map of (B, ...) to (B, ...).
        rhs: right-hand side, (B, ...).
        x0: initial estimate; zeros when absent.
        tolerance: stop when ||residual|| <= tolerance * ||rhs|| for every image.
        steps: largest number of iterations.

    Source: Hestenes and Stiefel 1952.
    """
    x = torch.zeros_like(rhs) if x0 is None else x0
    residual = rhs if x0 is None else rhs - matrix(x)
    goal = tolerance * norm(rhs)
    return x + correction(matrix, residual, goal, steps)[0]


def correction(
    matrix: Callable[[Tensor], Tensor], residual: Tensor, goal: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """Solve matrix(d) = residual by conjugate gradients, for the correction d of an estimate with this residual.

    Args:
        matrix: linear map of (B, ...) to (B, ...), symmetric and positive definite.
        residual: (B, ...).
        goal: stop when the residual that is left has at most this norm, (B,).
        steps: largest number of iterations.

    Returns:
        d, and the norm of the residual that is left, (B,).
    """

    def spread(scalar: Tensor) -> Tensor:
        return scalar.view(-1, *[1] * (residual.dim() - 1))

    x = torch.zeros_like(residual)
    direction = residual
    energy, least = dot(residual, residual), goal.square()
    tiny = torch.finfo(residual.dtype).tiny
    for step in range(steps):
        # Reading a number from a GPU waits for it, so only every fifth step does.
        if step % 5 == 0 and bool((energy <= least).all()):
            break
        product = matrix(direction)
        # A converged image has energy 0: the clamp turns its 0/0 into a step of 0.
        alpha = energy / dot(direction, product).clamp_min(tiny)
        x = x + spread(alpha) * direction
        residual = residual - spread(alpha) * product
        previous, energy = energy, dot(residual, residual)
        beta = energy / previous.clamp_min(tiny)
        direction = residual + spread(beta) * direction
    return x, energy.sqrt()


def chebyshev(
    matrix: Callable[[Tensor], Tensor], rhs: Tensor, spectrum: tuple[float, float], steps: int
) -> Tensor:
    """Return p(matrix) rhs with the polynomial p closest to 1 / t, in relative error, over the matrix's spectrum.

    Unlike conjugate gradients it is linear in `rhs`, and as a map symmetric and positive definite as the matrix is.

    Args:
        matrix: linear map of (B, ...) to (B, ...), symmetric and positive definite.
        rhs: (B, ...).
        spectrum: bounds of its eigenvalues, positive.
        steps: degree of p, plus 1; the matrix is applied one time less.

    Source: Saad 2003, "Iterative methods for sparse linear systems", algorithm 12.1.
    """
    low, high = spectrum
    middle, half = (high + low) / 2, (high - low) / 2
    ratio = half / middle
    x = step = rhs / middle
    residual = rhs
    for _ in range(steps - 1):
        residual = residual - matrix(step)
        following = 1 / (2 * middle / half - ratio)
        step = following * ratio * step + 2 * following / half * residual
        x, ratio = x + step, following
    return x


def chebyshev_form(
    matrix: Callable[[Tensor], Tensor], rhs: Tensor, spectrum: tuple[float, float], steps: int
) -> Tensor:
    """Return rhs^T p(matrix) rhs for the polynomial p of `chebyshev`, (B,), with half of its products.

    With the Chebyshev polynomials T_k of the matrix, T_j rhs and T_k rhs have the product
    rhs^T (T_(j+k) + T_(j-k)) rhs / 2, so vectors up to half of the degree hold all moments.

    Args:
        matrix: as for `chebyshev`.
        rhs: (B, ...), real.
        spectrum: as for `chebyshev`.
        steps: degree of p, plus 1, an even number; the matrix is applied half as often.
    """
    low, high = spectrum
    middle, half = (high + low) / 2, (high - low) / 2
    # p has the degree steps - 1, so its values at `steps` nodes give all coefficients, in T_k of (middle - t) / half.
    angles = (torch.arange(steps, dtype=torch.float64) + 0.5) * (math.pi / steps)
    t = middle - half * angles.cos()
    values = (1 - (steps * angles).cos() / math.cosh(steps * math.acosh(middle / half))) / t
    orders = torch.arange(steps, dtype=torch.float64)
    coefficients = (values * (orders[:, None] * angles).cos()).sum(1) * (2 / steps)
    coefficients[0] /= 2

    before, now = rhs, (middle * rhs - matrix(rhs)) / half
    moments = [_exact_dot(rhs, rhs), _exact_dot(rhs, now)]
    while len(moments) < steps:
        moments.append(2 * _exact_dot(now, now) - moments[0])
        before, now = now, (2 / half) * (middle * now - matrix(now)) - before
        moments.append(2 * _exact_dot(before, now) - moments[1])
    return torch.stack(moments, 1) @ coefficients.to(rhs.device)


def _exact_dot(a: Tensor, b: Tensor) -> Tensor:
    return dot(a.double(), b.double())


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


def spectral_norm(normal: Callable[[Tensor], Tensor], like: Tensor, *, steps: int = 60) -> float:
    """Return an upper bound on the norm of A, at most a few percent above it.

    Lanczos' iteration on A^H A from a random vector approaches the squared norm from below. Its
    polynomials bound the squared norm from above: the p_j with v_j = p_j(A^H A) v_0 is at most
    1 / |c| at the square of the norm, where c is the random vector's component along the
    corresponding singular vector, and p_j grows fast beyond its roots. The bound fails only if |c|
    is a millionth of its usual size, with a probability below 1e-6. So it also finds a norm that
    belongs to one direction of a million. Only the last two vectors are kept, because a loss of
    orthogonality repeats Ritz values and does not move the largest one.

    Args:
        normal: the map x to A^H A x.
        like: a tensor of x's shape, dtype and device, (1, ...).
        steps: largest number of applications of `normal`. They end when the bound is within 1 % of
            the largest Ritz value. After 60 steps it is within 2 % also for dense spectra.

    Source: Hochstenbach 2013, "Probabilistic upper bounds for the matrix two-norm".
    """
    # A fixed seed on the CPU: the same norm in every run and on every device.
    generator = torch.Generator().manual_seed(0)
    exact = torch.complex128 if like.is_complex() else torch.float64
    v = torch.randn(like.shape, generator=generator, dtype=exact).to(like)
    v = v / _length(v)
    before = torch.zeros_like(v)
    # The density of c at 0 is that of a normal distribution of variance 1 / n.
    least = _MISSED * math.sqrt(math.pi / (2 * like.numel()))
    rounding = torch.finfo(like.dtype).eps
    diagonal: list[float] = []
    beside: list[float] = []
    top = 0.0
    for _ in range(steps):
        rest = normal(v)
        diagonal.append(_product(v, rest))
        rest = rest - diagonal[-1] * v - (beside[-1] if beside else 0.0) * before
        # Twice, because rounding leaves more than a small rest may contain.
        rest = rest - _product(v, rest) * v - _product(before, rest) * before
        length = _length(rest)
        if not math.isfinite(length + diagonal[-1]):
            return math.nan
        beside.append(length)
        top = _largest_ritz_value(diagonal, beside)
        # A rest of 0 means that the vectors span all that A does to v.
        if length <= 1e-3 * rounding * top or _excludes(1.02 * top, diagonal, beside, least):
            break
        before, v = v, rest / length
        # Without this, a rest of rounding errors would lean on the vector that it came from.
        v = v - _product(before, v) * before
        v = v / _length(v)
    if top == 0.0:
        return 0.0
    bound = _bound(top, diagonal, beside, least)
    return math.sqrt(bound) * (1.0 + 16 * rounding)


_MISSED = 1e-6  # probability that the bound of `spectral_norm` does not hold


def _product(a: Tensor, b: Tensor) -> float:
    # A sum of millions of float32 values in float32 can miss the norm by more than the bound's margin.
    return float((a.conj() * b).real.sum(dtype=_precise(a)))


def _length(a: Tensor) -> float:
    # Squares in float32 would underflow for an operator of norm 1e-10.
    return float(torch.linalg.vector_norm(parts(a), dtype=_precise(a)))


def _precise(a: Tensor) -> torch.dtype:
    return a.real.dtype if a.device.type == "mps" else torch.float64  # MPS has no float64


def _largest_ritz_value(diagonal: list[float], beside: list[float]) -> float:
    off = torch.tensor(beside[:-1], dtype=torch.float64)
    matrix = torch.tensor(diagonal, dtype=torch.float64).diag()
    # The absolute value serves a wrong adjoint, with which A^H A may be negative.
    return float(torch.linalg.eigvalsh(matrix + off.diag(1) + off.diag(-1)).abs().max())


def _excludes(t: float, diagonal: list[float], beside: list[float], least: float) -> bool:
    """Return whether a Lanczos polynomial exceeds 1 / least at t, above the largest Ritz value."""
    p, last, coupling = 1.0, 0.0, 0.0
    for a, b in zip(diagonal, beside, strict=True):
        if b == 0.0:
            return True
        p, last, coupling = ((t - a) * p - coupling * last) / b, p, b
        if p * least >= 1.0:
            return True
    return False


def _bound(top: float, diagonal: list[float], beside: list[float], least: float) -> float:
    """Return the smallest excluded value above the largest Ritz value, to 0.01 %."""
    low, high = top, 1.0001 * top
    while not _excludes(high, diagonal, beside, least):
        low, high = high, high + 2 * (high - top)
    while high - low > 1e-4 * top:
        middle = 0.5 * (low + high)
        if _excludes(middle, diagonal, beside, least):
            high = middle
        else:
            low = middle
    return high
