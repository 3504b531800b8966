"""A problem on a part of its data: without the values that are missing, or on a box of the image."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from invprior.errors import IncompatibleError, MeasurementError
from invprior.numerics.box import Box
from invprior.numerics.devices import placed
from invprior.operators.base import LinearOperator, LocalOperator, Operator
from invprior.operators.masked import Masked
from invprior.problem.functionals import Prior
from invprior.problem.problem import Problem
from invprior.registry.options import plain_name


@torch.inference_mode(False)
def with_masked_nan(operator: Operator, y: Tensor) -> tuple[Operator, Tensor]:
    """Mask the operator where y is not finite, and set y to 0 there.

    Raises:
        IncompatibleError: the operator is not linear.
        MeasurementError: y has no finite value.
    """
    known = torch.isfinite(y)
    if bool(known.all()):
        return operator, y
    if not isinstance(operator, LinearOperator):
        raise IncompatibleError(
            'nan="mask" needs a linear operator; remove the NaN from the measurement yourself.'
        )
    if not bool(known.any()):
        raise MeasurementError("The measurement holds no finite value.")
    return Masked(operator, known), torch.where(known, y, torch.zeros_like(y))


def alignment_of(problem: Problem) -> int:
    """Return where boxes of the image may begin and end, in pixels: at whole pixels of y, and at its blocks."""
    operator = problem.operator
    own = operator.alignment if isinstance(operator, LocalOperator) else 1
    return own * problem.fidelity.block


def restrict(problem: Problem, box: Box) -> Problem:
    """Restrict a problem to a box of the image x; the noise level stays that of the whole image.

    Raises:
        InvpriorError: the operator does not act locally, or the box alone cannot be solved, as when no pixel is known.
    """
    operator = problem.operator
    if not isinstance(operator, LocalOperator):
        raise IncompatibleError(f"{plain_name(type(operator))} does not act locally.")
    part, measured = operator.restrict(box)
    y = measured.of(problem.y)
    prior = restrict_prior(problem.prior, box)
    return Problem(
        placed(part, y),
        y,
        prior,
        problem.fidelity,
        problem.noise,
        notes=problem.notes,
        data_range=problem.data_range,
        units=problem.units,
        given=None if problem.given is None else restrict(problem.given, box),
    )


def restrict_prior(prior: Prior, box: Box) -> Prior:
    """Restrict every term to a box."""
    return Prior(tuple(replace(t, functional=t.functional.restrict(box)) for t in prior.terms))
