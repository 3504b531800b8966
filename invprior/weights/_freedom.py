"""How many degrees of freedom a restoration has: the trace of d(Ax)/dy, by which it follows the noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from invprior.functionals import Proximable
from invprior.operators.denoise import Denoise
from invprior.problem import Problem
from invprior.weights.base import residual

_PROBE = 0.2  # size of the probe, in standard deviations of the noise: neither rounding nor curvature shows


def probed(
    problem: Problem, variance: float, generator: torch.Generator
) -> tuple[tuple[Problem, ...], Callable[[Problem, Sequence[Tensor]], float]]:
    """Problems to solve, and a function of their results that gives the degrees of freedom.

    The trace is b^T (A x(y + e b) - A x(y)) / e for one random vector b of signs; in closed form, without the second
    problem, where y = x + noise and the one term knows the trace of its prox.

    Args:
        problem: the problem, its fidelity quadratic.
        variance: of the noise.
        generator: of b.

    Source: Ramani, Blu and Unser 2008, "Monte-Carlo SURE", theorem 2.
    """
    if closed_form(problem, problem.y, variance) is not None:

        def exact(weighted: Problem, pictures: Sequence[Tensor]) -> float:
            found = closed_form(weighted, weighted.y, variance)
            assert found is not None
            return found

        return (problem,), exact

    signs = torch.randint(0, 2, problem.y.shape, generator=generator).to(problem.y) * 2 - 1
    if problem.observed is not None:
        signs = signs * problem.observed
    size = _PROBE * variance**0.5
    moved = Problem(problem.operator, problem.y + size * signs, problem.prior, problem.fidelity)

    def estimated(weighted: Problem, pictures: Sequence[Tensor]) -> float:
        x, x_moved = pictures
        answer: Tensor = (
            residual(moved, x_moved) - residual(problem, x) + size * signs
        )  # A x_moved - A x
        return float((signs * answer).sum()) / float(size)

    return (problem, moved), estimated


def closed_form(problem: Problem, y: Tensor, variance: float) -> float | None:
    """The trace where it has a closed form, else None."""
    terms = [t for t in problem.prior.terms if t.weight > 0]
    if type(problem.operator) is not Denoise or len(terms) != 1:
        return None
    functional, tau = terms[0].functional, terms[0].weight * variance
    return functional.freedom(y, tau) if isinstance(functional, Proximable) else None
