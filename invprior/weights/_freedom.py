"""How many degrees of freedom a restoration has: the trace of d(Ax)/dy, by which it follows the noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from invprior.functionals import Proximable
from invprior.operators.denoise import Denoise
from invprior.problem import Problem
from invprior.weights.base import residual

_PROBE = 0.2  # size of the probe, in standard deviations of the noise: neither rounding nor curvature shows

Followed: TypeAlias = Callable[[Problem, Sequence[Tensor]], tuple[Tensor, float]]


def followed(
    problem: Problem,
    variance: float,
    generator: torch.Generator,
    weigh: Callable[[Tensor], Tensor] | None = None,
) -> tuple[tuple[Problem, ...], Followed]:
    """Problems to solve, and a function of their results that gives the residual Ax - y and the degrees of freedom.

    The trace is b^T (A x(y + e b) - A x(y)) / e for one random vector b of signs; in closed form, with nothing to
    solve, where y = x + noise and the one term knows the trace of its prox.

    Args:
        problem: the problem, its fidelity quadratic.
        variance: of the noise.
        generator: of b.
        weigh: M, symmetric, on measurements: the trace is then that of M d(Ax)/dy.

    Source: Ramani, Blu and Unser 2008, "Monte-Carlo SURE", theorem 2.
    """
    if weigh is None and _closed_form(problem, variance) is not None:

        def exact(weighted: Problem, pictures: Sequence[Tensor]) -> tuple[Tensor, float]:
            found = _closed_form(weighted, variance)
            assert found is not None
            return found

        return (), exact

    signs = torch.randint(0, 2, problem.y.shape, generator=generator).to(problem.y) * 2 - 1
    if problem.observed is not None:
        signs = signs * problem.observed
    probe = signs if weigh is None else weigh(signs)
    size = _PROBE * variance**0.5
    moved = Problem(problem.operator, problem.y + size * signs, problem.prior, problem.fidelity)

    def estimated(weighted: Problem, pictures: Sequence[Tensor]) -> tuple[Tensor, float]:
        x, x_moved = pictures
        r = residual(problem, x)
        answer = residual(moved, x_moved) - r + size * signs  # A x_moved - A x
        return r, float((probe * answer).sum()) / float(size)

    return (problem, moved), estimated


def _closed_form(problem: Problem, variance: float) -> tuple[Tensor, float] | None:
    """Residual and trace where they have a closed form, else None."""
    terms = [t for t in problem.prior.terms if t.weight > 0]
    if type(problem.operator) is not Denoise or len(terms) != 1:
        return None
    functional, tau = terms[0].functional, terms[0].weight * variance
    if not isinstance(functional, Proximable):
        return None
    trace = functional.freedom(problem.y, tau)
    return None if trace is None else (functional.prox(problem.y, tau) - problem.y, trace)
