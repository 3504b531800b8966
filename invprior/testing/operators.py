"""Checks of operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from invprior.errors import InvpriorError
from invprior.numerics.tensor_diff import difference, inner, scale_of
from invprior.operators.adjoint_test import adjoint_fault
from invprior.operators.base import LinearOperator, Operator, Recipe
from invprior.testing import all_plugins
from invprior.testing.method_calls import Use, images, noise
from invprior.testing.report import Check, Fault, Skip, checks_for
from invprior.testing.tensor_methods import map_checks

_SIZES = (
    (3, 16, 15),
    (1, 13, 18),
    (3, 16, 16),
    (1, 16, 16),
    (1, 32, 32),
)  # the first two that it takes
_EXACT = 1e-5  # relative: what an operator may be wrong by that computes in single precision inside


@dataclass(frozen=True)
class Sized:
    """An operator at a size of images."""

    operator: Operator

    @property
    def x(self) -> Tensor:
        """Two images of its size."""
        shape = self.operator.image_shape
        return images(2, *shape) if len(shape) > 1 else noise(2, *shape)

    @cached_property
    def y(self) -> Tensor:
        """Two random measurements, complex if its own are."""
        clean = self.operator(self.x)
        y = noise(2, *self.operator.measurement_shape, seed=2).to(clean)
        return y * (0.6 + 0.8j) + 1j * y.flip(-1) if clean.is_complex() else y

    @property
    def linear(self) -> LinearOperator:
        """The operator, of which it is known that it is linear."""
        assert isinstance(self.operator, LinearOperator)
        return self.operator


def sized(obj: Operator | Recipe) -> tuple[Sized, ...]:
    """The operator, in float64; a recipe at two sizes that it takes.

    Raises:
        Fault: it refuses images of every size that is tried.
    """
    if isinstance(obj, Operator):
        return (Sized(obj),)
    found: list[Sized] = []
    refusals = []
    for size in _SIZES:
        try:
            found.append(Sized(obj(size).double()))
        except InvpriorError as error:
            refusals.append(f"{size}: {error}")
        if len(found) == 2:
            break
    if not found:
        raise Fault(
            f"it takes no image of the sizes tried; the last refusal was {refusals[-1]} "
            "Check an instance of a size that it takes"
        )
    return tuple(found)


def _forward_uses(obj: Operator | Recipe) -> list[Use]:
    return [
        Use(
            "forward",
            case.operator,
            lambda a, x: a(x),
            (case.x,),
            (2, *case.operator.measurement_shape),
        )
        for case in sized(obj)
    ]


def _back_uses(obj: Operator | Recipe) -> list[Use]:
    found = []
    for case in sized(obj):
        a, shape = case.linear, (2, *case.operator.image_shape)
        found += [
            Use("adjoint", a, lambda a, y: a.adjoint(y), (case.y,), shape),
            Use("normal", a, lambda a, x: a.normal(x), (case.x,), shape),
            # Well damped, so that what iterates needs few steps; `solve_damped` below looks at the rest.
            Use("solve_damped", a, lambda a, x: a.solve_damped(x, 10.0), (case.x,), shape),
        ]
    return found


def _uses(obj: Operator | Recipe) -> list[Use]:
    forward = _forward_uses(obj)
    return forward + _back_uses(obj) if isinstance(forward[0].plugin, LinearOperator) else forward


def sizes_agree(obj: Operator | Recipe) -> None:
    """It keeps the size that it was made for, and finds the image's size from a measurement's."""
    for case in sized(obj):
        a = case.operator
        if tuple(case.x.shape[1:]) != tuple(a.image_shape):
            raise Fault(f"image_shape is {a.image_shape}, should be {tuple(case.x.shape[1:])}")
        if isinstance(obj, Recipe):
            shape = obj.image_shape_for(a.measurement_shape)
            back = obj(shape).measurement_shape
            if tuple(back) != tuple(a.measurement_shape):
                raise Fault(
                    f"image_shape_for{a.measurement_shape} is {shape}, whose measurements are {back}"
                )


def observation_mask(obj: Operator | Recipe) -> None:
    """What `observation_mask` leaves out is 0 in A(x), so that it does not count in the fit."""
    for case in sized(obj):
        mask = case.operator.observation_mask
        if mask is None:
            continue
        y = case.operator(case.x)
        if mask.dtype != torch.bool:
            raise Fault(
                f"observation_mask is {str(mask.dtype).removeprefix('torch.')}, should be bool"
            )
        try:
            mask = mask.expand(y.shape)
        except RuntimeError:
            raise Fault(
                f"observation_mask, {tuple(mask.shape)}, does not broadcast to y, {tuple(y.shape)}"
            ) from None
        if bool((y[~mask] != 0).any()):
            raise Fault("A(x) is not 0 where observed says that nothing was measured")


def differentiable(obj: Operator | Recipe) -> None:
    """Autograd's derivative of A is the change of A."""
    step = 1e-5
    for case in sized(obj):
        a, x = case.operator, case.x.requires_grad_()
        try:
            (slope,) = torch.autograd.grad(inner_graph(a(x), case.y), x)
        except RuntimeError as error:
            raise Fault(f"autograd does not pass through forward: {_first(error)}") from None
        direction = noise(*x.shape, seed=3)
        with torch.no_grad():
            ahead, behind = a(x + step * direction), a(x - step * direction)
        change = inner(case.y, ahead - behind) / (2 * step)
        found = inner(slope, direction)
        size = float(slope.norm() * direction.norm())
        if not abs(found - change) <= 1e-4 * max(size, abs(change), 1e-12):
            raise Fault(
                f"autograd's derivative of forward is {found:.4g} where A changes by {change:.4g}"
            )


def inner_graph(a: Tensor, b: Tensor) -> Tensor:
    """Real part of <b, a>, kept in the graph."""
    return (b.conj() * a).real.sum()


def linearity(obj: Recipe | LinearOperator) -> None:
    """A(s u + t v) = s A(u) + t A(v)."""
    for case in sized(obj):
        a, u, v = case.linear, case.x, noise(*case.x.shape)
        nothing = a(torch.zeros_like(u))
        size = float(a(u).abs().max())
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
    """<Ax, y> = <x, A^H y>."""
    for case in sized(obj):
        wrong = adjoint_fault(case.linear, case.x, _EXACT)
        if wrong:
            raise Fault(wrong)


def normal(obj: Recipe | LinearOperator) -> None:
    """`normal` is the adjoint of A, applied to A x."""
    for case in sized(obj):
        a = case.linear
        wrong = difference(a.normal(case.x), a.adjoint(a(case.x)), _EXACT)
        if wrong:
            raise Fault(f"normal(x), compared with adjoint(A(x)), is {wrong}")


def norm(obj: Recipe | LinearOperator) -> str:
    """`norm` is an upper bound on what A stretches an image by."""
    text = ""
    for case in sized(obj):
        a, v = case.linear, noise(1, *case.operator.image_shape, seed=4)
        claimed, stretch = a.norm(), 0.0
        for _ in range(30):  # whatever the adjoint is worth, each stretch is a true lower bound
            length = float(v.norm())
            if length == 0.0:
                break
            v = v / length
            image = a(v)
            stretch = max(stretch, float(image.norm()))
            v = a.adjoint(image)
        if not claimed >= stretch * (1 - 1e-4):
            raise Fault(f"norm() is {claimed:.4g}, but A stretches an image by {stretch:.4g}")
        text = f"norm() is {claimed:.4g}, the largest stretch found {stretch:.4g}"
    return text


def solve_damped(obj: Recipe | LinearOperator) -> None:
    """`solve_damped` solves (A^H A + damping I) x = rhs."""
    for case in sized(obj):
        a, rhs = case.linear, case.x
        for damping in (0.5, 0.01):
            x = a.solve_damped(rhs, damping)
            rest = rhs - a.adjoint(a(x))
            left = float((rest - damping * x).norm() / rhs.norm())
            if left <= 1e-3:
                continue
            scale = scale_of(rest, damping * x)
            if scale is not None:
                took = f"{scale * damping:.3g} where {damping:g} was asked for"
                raise Fault(f"it solves with a damping of {took}")
            raise Fault(
                f"with damping {damping:g} its residual is {left:.0e} of the right-hand side"
            )


def back_project(obj: Recipe | LinearOperator) -> None:
    """`back_project` after A is symmetric and not negative, so that it is a gradient and goes downhill."""
    for case in sized(obj):
        a, u, v = case.linear, case.x, noise(*case.x.shape, seed=4)
        if not a.back_projects:
            raise Skip("it iterates")
        back = a.back_project(a(v), 0.1)
        one, other = inner(v, a.back_project(a(u), 0.1)), inner(back, u)
        if not abs(one - other) <= _EXACT * float(back.norm() * u.norm()):
            raise Fault(f"with B A = P, <v, P u> is {one:.6g}, but <P v, u> is {other:.6g}")
        if not inner(v, back) >= 0:
            raise Fault("<v, B A v> is negative")


def autograd_is_adjoint(obj: Recipe | LinearOperator) -> None:
    """Autograd through A applies A^H, so that solvers by gradient and by adjoint agree."""
    for case in sized(obj):
        x = case.x.requires_grad_()
        try:
            (slope,) = torch.autograd.grad(inner_graph(case.linear(x), case.y), x)
        except RuntimeError as error:
            raise Skip(f"autograd does not pass through forward: {_first(error)}") from None
        wrong = difference(slope, case.linear.adjoint(case.y).real, _EXACT)
        if wrong:
            raise Fault(f"autograd's gradient, compared with the adjoint, is {wrong}")


def options_kept(obj: Operator | Recipe) -> None:
    """Each option is an attribute of its name, so that a record of a run can name it."""
    for case in sized(obj):
        all_plugins.options_kept(case.operator)


def _first(error: Exception) -> str:
    return str(error).partition("\n")[0]


def operator_checks() -> tuple[Check, ...]:
    """Of every operator, then of the linear ones."""
    linear: tuple[Callable[[Any], str | None], ...] = (
        linearity, adjoint, autograd_is_adjoint, normal, norm, solve_damped, back_project
    )  # fmt: skip
    return (
        *map_checks(Operator, _uses),
        *checks_for(Operator, sizes_agree, observation_mask, differentiable, options_kept),
        *checks_for(LinearOperator, *linear),
    )
