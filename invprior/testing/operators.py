"""Checks of operators."""

from __future__ import annotations

import torch

from invprior.errors import OptionError
from invprior.numerics.tensor_diff import inner
from invprior.operators.base import LinearOperator, Operator, Recipe
from invprior.testing import all_plugins
from invprior.testing.linear_operators import linear_operator_checks
from invprior.testing.method_calls import MethodCall
from invprior.testing.report import Check, Fault, checks_for, first_line
from invprior.testing.sample_tensors import noise
from invprior.testing.sized_operators import SizedOperator, sized
from invprior.testing.tensor_methods import dtype_name, tensor_method_checks


def _forward_call(case: SizedOperator) -> MethodCall:
    a = case.operator
    return MethodCall("forward", a, lambda a, x: a(x), (case.x,), (2, *a.measurement_shape))


def _linear_calls(case: SizedOperator) -> list[MethodCall]:
    a, shape = case.linear, (2, *case.operator.image_shape)
    # Strong damping, so that an iterative solution needs few steps; the check solve-damped tries less.
    strong = 10.0 * case.unit
    return [
        MethodCall("adjoint", a, lambda a, y: a.adjoint(y), (case.y,), shape),
        MethodCall("normal", a, lambda a, x: a.normal(x), (case.x,), shape),
        MethodCall("solve_damped", a, lambda a, x: a.solve_damped(x, strong), (case.x,), shape),
    ]


def _calls(obj: Operator | Recipe) -> list[MethodCall]:
    cases = sized(obj)
    calls = [_forward_call(case) for case in cases]
    if isinstance(cases[0].operator, LinearOperator):
        for case in cases:
            calls += _linear_calls(case)
    return calls


def sizes_agree(obj: Operator | Recipe) -> None:
    """It keeps the size it was built for, and derives the image's size from a measurement's."""
    for case in sized(obj):
        a = case.operator
        if tuple(case.x.shape[1:]) != tuple(a.image_shape):
            raise Fault(f"image_shape is {a.image_shape}, should be {tuple(case.x.shape[1:])}")
        if isinstance(obj, Recipe):
            # Several image sizes may have one measurement size; any of them is right.
            try:
                shape = obj.image_shape_for(a.measurement_shape)
            except OptionError:  # these options serve simulations only, as those of a random mask
                continue
            back = obj(shape).measurement_shape
            if tuple(back) != tuple(a.measurement_shape):
                raise Fault(
                    f"image_shape_for{a.measurement_shape} is {shape}, whose measurements are {back}"
                )


def observation_mask(obj: Operator | Recipe) -> None:
    """A(x) is 0 wherever `observation_mask` is False, so that nothing unmeasured counts in the fit."""
    for case in sized(obj):
        mask = case.operator.observation_mask
        if mask is None:
            continue
        y = case.operator(case.x)
        if mask.dtype != torch.bool:
            raise Fault(f"observation_mask is {dtype_name(mask.dtype)}, should be bool")
        try:
            mask = mask.expand(y.shape)
        except RuntimeError:
            raise Fault(
                f"observation_mask, {tuple(mask.shape)}, does not broadcast to y, {tuple(y.shape)}"
            ) from None
        if bool((y[~mask] != 0).any()):
            raise Fault("A(x) is not 0 where observation_mask is False")


def differentiable(obj: Operator | Recipe) -> None:
    """Autograd's derivative of A agrees with the change of A."""
    step = 1e-5
    for case in sized(obj):
        a, x = case.operator, case.x
        try:
            slope = case.autograd()
        except RuntimeError as error:
            raise Fault(f"autograd does not pass through forward: {first_line(error)}") from None
        direction = noise(*x.shape, seed=3)
        with torch.no_grad():
            ahead, behind = a(x + step * direction), a(x - step * direction)
        change = inner(case.y, ahead - behind) / (2 * step)
        found = inner(slope, direction)
        # Relative to the slope's size: along a random direction the derivative itself may be near 0.
        size = float(slope.norm() * direction.norm())
        if not abs(found - change) <= 1e-4 * max(size, abs(change), 1e-12):
            raise Fault(
                f"autograd's derivative of forward is {found:.4g}, but A changes by {change:.4g}"
            )


def options_kept(obj: Operator | Recipe) -> None:
    """Each option is stored in an attribute of its name, so that the record of a run includes it."""
    for case in sized(obj):
        all_plugins.options_kept(case.operator)


def operator_checks() -> tuple[Check, ...]:
    """Return the checks of every operator, then those of linear ones."""
    own = (sizes_agree, observation_mask, differentiable, options_kept)
    return (
        *tensor_method_checks(Operator, _calls),
        *checks_for(Operator, *own),
        *linear_operator_checks(),
    )
