"""Checks of linear operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from invprior.numerics.tensor_diff import difference, inner, scale_of
from invprior.operators.adjoint_test import adjoint_fault
from invprior.operators.base import LinearOperator, Recipe
from invprior.testing.report import Check, Fault, Skip, checks_for, first_line
from invprior.testing.sample_tensors import noise
from invprior.testing.sized_operators import large, sized

_EXACT = 1e-5  # relative error allowed: an operator may compute in single precision inside


def linearity(obj: Recipe | LinearOperator) -> None:
    """A(s u + t v) = s A(u) + t A(v)."""
    for case in sized(obj):
        a, u, v = case.linear, case.x, noise(*case.x.shape)
        nothing = a(torch.zeros_like(u))
        size = float(a(u).abs().max())
        # The three tests are ordered so that the message names the simplest cause.
        if float(nothing.abs().max()) > _EXACT * size:
            raise Fault(
                f"A(0) is up to {float(nothing.abs().max()):.2g}, should be 0: it adds a constant"
            )
        wrong = difference(a(3.0 * u), 3.0 * a(u), _EXACT)
        if wrong:
            raise Fault(f"it is not linear: A(3 x) is {_times(a(3.0 * u), a(u))} A(x)")
        wrong = difference(a(2.0 * u - 3.0 * v), 2.0 * a(u) - 3.0 * a(v), _EXACT)
        if wrong:
            raise Fault(f"it is not additive: A(2 u - 3 v) is {wrong}")


def _times(found: Tensor, unit: Tensor) -> str:
    scale = scale_of(found, unit)
    return "no multiple of" if scale is None else f"{scale:.3g} times"


def adjoint(obj: Recipe | LinearOperator) -> None:
    """<Ax, y> = <x, A^H y>, for small and for large images."""
    for case in sized(obj):
        wrong = adjoint_fault(case.linear, case.x, _EXACT)
        if wrong:
            raise Fault(wrong)
    for case in large(obj):
        wrong = adjoint_fault(case.linear, case.x, _EXACT)
        if wrong:
            _, height, width = case.operator.image_shape
            raise Fault(f"for images of {height} x {width}, though not for smaller ones, {wrong}")


def normal(obj: Recipe | LinearOperator) -> None:
    """`normal(x)` is A^H A x."""
    for case in sized(obj):
        a = case.linear
        wrong = difference(a.normal(case.x), a.adjoint(a(case.x)), _EXACT)
        if wrong:
            raise Fault(f"normal(x), compared with adjoint(A(x)), is {wrong}")


def norm(obj: Recipe | LinearOperator) -> str:
    """`norm` is an upper bound on how much A stretches an image."""
    text = ""
    for case in sized(obj):
        claimed, stretch = case.linear.norm(), case.stretch(30)
        if not claimed >= stretch * (1 - 1e-4):
            raise Fault(f"norm() is {claimed:.4g}, but A stretches an image by {stretch:.4g}")
        text = f"norm() is {claimed:.4g}, the largest stretch found {stretch:.4g}"
    return text


def solve_damped(obj: Recipe | LinearOperator) -> None:
    """`solve_damped` solves (A^H A + damping I) x = rhs."""
    for case in sized(obj):
        a, rhs = case.linear, case.x
        for damping in (0.5 * case.unit, 0.01 * case.unit):
            x = a.solve_damped(rhs, damping)
            rest = rhs - a.adjoint(a(x))  # equals damping * x at the solution
            left = float((rest - damping * x).norm() / rhs.norm())
            if left <= 1e-3:
                continue
            scale = scale_of(rest, damping * x)
            if scale is not None:
                raise Fault(
                    f"it solves with a damping of {scale * damping:.3g} instead of {damping:.3g}"
                )
            raise Fault(
                f"with damping {damping:.2g} its residual is {left:.0e} of the right-hand side"
            )


def back_project(obj: Recipe | LinearOperator) -> None:
    """`back_project` after A is symmetric and not negative, so that it is the gradient of a misfit."""
    for case in sized(obj):
        a, u, v = case.linear, case.x, noise(*case.x.shape, seed=4)
        if not a.back_projects:
            raise Skip("its back-projection iterates")
        back = a.back_project(a(v), 0.1)
        one, other = inner(v, a.back_project(a(u), 0.1)), inner(back, u)
        if not abs(one - other) <= _EXACT * float(back.norm() * u.norm()):
            raise Fault(f"with B A = P, <v, P u> is {one:.6g}, but <P v, u> is {other:.6g}")
        if not inner(v, back) >= 0:
            raise Fault("<v, B A v> is negative")


def autograd_is_adjoint(obj: Recipe | LinearOperator) -> None:
    """Autograd through A applies A^H, so that solvers by gradient and by adjoint agree."""
    for case in sized(obj):
        try:
            slope = case.autograd()
        except RuntimeError as error:
            raise Skip(f"autograd does not pass through forward: {first_line(error)}") from None
        back = case.linear.adjoint(case.y)
        # For a real image, autograd returns the real part of A^H y.
        wrong = difference(slope, back if slope.is_complex() else back.real, _EXACT)
        if wrong:
            raise Fault(f"autograd's gradient, compared with the adjoint, is {wrong}")


def linear_operator_checks() -> tuple[Check, ...]:
    """Return the checks of every linear operator."""
    own: tuple[Callable[[Any], str | None], ...] = (
        linearity, adjoint, autograd_is_adjoint, normal, norm, solve_damped, back_project
    )  # fmt: skip
    return checks_for(LinearOperator, *own)
