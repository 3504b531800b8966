"""Test the adjoint of an operator, and describe what is wrong with it."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from invprior.numerics.tensor_diff import difference, distance, inner
from invprior.operators.base import LinearOperator

_ALIKE = 1e-3  # relative distance at which an explanation of the fault is accepted
_BORDER = 3  # pixels along the border, which an operator may treat in any way
_BRUTE = 1024  # largest number of pixels for applying A to each of them


def adjoint_fault(operator: LinearOperator, like: Tensor, tolerance: float) -> str | None:
    """Compare <Ax, y> with <x, A^H y> on random tensors, and describe a fault of the adjoint.

    The test costs one A and one A^H. A default adjoint is exact and is not tested.

    Args:
        operator: the operator.
        like: a tensor with the dtype and the device of images.
        tolerance: largest difference, relative to ||Ax|| ||y||.

    Returns:
        What is wrong, or None when the adjoint is right.
    """
    if type(operator).adjoint is LinearOperator.adjoint:
        return None
    generator = torch.Generator().manual_seed(0)
    if operator.complex_images:
        like = like.to(like.dtype.to_complex())
    x = _normal((1, *operator.image_shape), like, generator)
    with torch.no_grad():
        image = operator(x)
        # With Ax as a part of y, <Ax, y> is large. With noise as the other part, y is not confined
        # to the range of A.
        y = _unit(image) + _unit(_normal(tuple(image.shape), image, generator))
        back = operator.adjoint(y)
        forth, found = inner(image, y), inner(back, x + 0 * back)
        apart = abs(forth - found) / max(_size(image) * _size(y), 1e-30)
        if apart <= tolerance:
            return None
    return _how(operator, y, back, tolerance) or (
        f"the adjoint is another operator's: <Ax, y> is {forth:.4g} and <x, A^H y> is {found:.4g}"
    )


def exact_adjoint(operator: LinearOperator, y: Tensor) -> Tensor | None:
    """Return A^H y by autograd, or pixel by pixel when autograd does not apply and A is small.

    For a complex y the result is the real part, unless images are complex too. It is None when both ways fail.
    """
    like = y if operator.complex_images else y.real
    x = like.new_zeros(y.shape[0], *operator.image_shape).requires_grad_()
    try:
        with torch.enable_grad():
            (result,) = torch.autograd.grad(operator(x), x, y)
        return result
    except RuntimeError:  # values that left torch, for instance to numpy, have no gradient
        if x.numel() > _BRUTE:
            return None
    with torch.no_grad():
        pixels = torch.eye(x.numel(), dtype=x.dtype, device=x.device)
        columns = [operator(p.view_as(x)) for p in pixels]
        products = torch.stack([(c.conj() * y).sum() for c in columns])
        return (products if x.is_complex() else products.real).view_as(x)


def _how(operator: LinearOperator, y: Tensor, back: Tensor, tolerance: float) -> str | None:
    """Describe the fault of an adjoint when it is one of the usual faults; else return None."""
    right = exact_adjoint(operator, y)
    if right is None or right.shape != back.shape:
        return None
    with torch.no_grad():
        back = back if right.is_complex() else back.real
        if distance(back, right) <= tolerance:
            return "the adjoint is that of A's derivative, but A itself is not linear: <Ax, y> differs from <x, A.H y>"
        wrong = difference(back, right, 0.0) or ""
        if wrong.startswith("scaled"):
            return f"the adjoint is {wrong}"
        # An explanation must account for nine tenths of the difference.
        near = min(_ALIKE, 0.1 * distance(back, right))
        constant = operator.adjoint(torch.zeros_like(y))
        constant = constant if right.is_complex() else constant.real
        if _size(constant) > 0.0 and distance(back - constant, right) <= near:
            return "the adjoint adds a constant: A^H 0 is not 0"
        transposed = operator.adjoint(y.conj())
        # For complex images, the transposed matrix takes conj(y) to the conjugate of A^H y.
        if y.is_complex() and _is_transposed(transposed, right, near):
            return "conjugate missing in the adjoint: it multiplies by the transposed matrix"
        return _as_forward(operator, y, back, near) or _moved(back, right, near)


def _is_transposed(found: Tensor, right: Tensor, near: float) -> bool:
    if right.is_complex():
        return distance(found.conj(), right) <= near
    return distance(found.real, right) <= near


def _as_forward(operator: LinearOperator, y: Tensor, back: Tensor, near: float) -> str | None:
    """Recognise the most common fault, A instead of A^H."""
    if y.shape != back.shape or distance(back, operator(y)) > near:
        return None
    # An A that commutes with circular shifts is a convolution, whose adjoint has the conjugate spectrum.
    along = tuple(range(max(1, y.dim() - 2), y.dim()))
    if all(distance(operator(y.roll(1, d)), operator(y).roll(1, d)) <= _ALIKE for d in along):
        return (
            "conjugate missing: the adjoint multiplies the spectrum as A does, not by its conjugate"
        )
    return "the adjoint looks transposed: it applies A itself"


def _moved(back: Tensor, right: Tensor, near: float) -> str | None:
    """Recognise an image that is transposed, flipped or shifted."""
    if back.dim() < 3:
        return None
    if back.mT.shape == right.shape and distance(back.mT, right) <= near:
        return "the adjoint's image looks transposed: its rows and columns are exchanged"
    for name, dims in (("upside down", (-2,)), ("mirrored", (-1,)), ("turned round", (-2, -1))):
        if distance(back.flip(dims), right) <= near:
            return f"the adjoint's image is {name}"
    if min(back.shape[-2:]) <= 2 * _BORDER:
        return None
    inside = (..., slice(_BORDER, -_BORDER), slice(_BORDER, -_BORDER))
    for down, across in itertools.product(range(-2, 3), repeat=2):
        shifted = back.roll((-down, -across), (-2, -1))
        if distance(shifted[inside], right[inside]) <= near:
            if (down, across) == (0, 0):
                return f"the adjoint is wrong within {_BORDER} pixels of the border alone: it treats it unlike A"
            return f"the adjoint's image is shifted, {down} pixels down and {across} to the right"
    return None


def _normal(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    # Drawn on the CPU, where the generator is, and in the narrowest dtype, as images may be large.
    exact = like.dtype in (torch.float64, torch.complex128)
    real, pairs = (torch.float64, torch.complex128) if exact else (torch.float32, torch.complex64)
    dtype = pairs if like.is_complex() else real
    return torch.randn(shape, generator=generator, dtype=dtype).to(like)


def _size(a: Tensor) -> float:
    return float(torch.linalg.vector_norm(a))


def _unit(a: Tensor) -> Tensor:
    return a / max(_size(a), 1e-30)
