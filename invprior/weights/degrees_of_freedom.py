"""How many degrees of freedom a restoration has: the trace of d(Ax)/dy, by which it follows the noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from invprior.problem.functionals import Proximable
from invprior.problem.problem import Problem
from invprior.weights.base import residual

_SHARP, _MOST_PROBES = (
    2**15,
    4,
)  # with M, whose small eigenvalues are loud, a small image needs several probes
_PROBE = 0.2  # size of the probe, in standard deviations of the noise: neither rounding nor curvature shows

Followed: TypeAlias = Callable[[Problem, Sequence[Tensor]], tuple[Tensor, float]]


def followed(
    problem: Problem,
    variance: float,
    generator: torch.Generator,
    weigh: Callable[[Tensor], Tensor] | None = None,
) -> tuple[tuple[Problem, ...], Followed]:
    """Problems to solve, and a function of their results that gives the residual Ax - y and the degrees of freedom.

    The trace is b^T (A x(y + e b) - A x(y)) / e for a random vector b of signs; in closed form, with nothing to
    solve, where y = x + noise and the one term knows the trace of its prox.

    Args:
        problem: the problem, its fidelity quadratic.
        variance: of the noise.
        generator: of b.
        weigh: M, symmetric, on measurements: the trace is then that of M d(Ax)/dy.

    Source: Ramani, Blu and Unser 2008, "Monte-Carlo SURE", theorem 2.
    """
    if weigh is None and _closed_form(problem, variance) is not None:

        def exact(weighted: Problem, images: Sequence[Tensor]) -> tuple[Tensor, float]:
            found = _closed_form(weighted, variance)
            assert found is not None
            return found

        return (), exact

    size = _PROBE * variance**0.5
    wanted = 1 if weigh is None else min(max(-(-_SHARP // problem.measurements), 1), _MOST_PROBES)
    signs = [random_signs(problem, generator) for _ in range(wanted)]
    probes = [b if weigh is None else weigh(b) for b in signs]
    moved = [replace(problem, y=problem.y + size * b) for b in signs]

    def estimated(weighted: Problem, images: Sequence[Tensor]) -> tuple[Tensor, float]:
        x, *others = images
        r, total = residual(problem, x), 0.0
        for view, other, b, probe in zip(moved, others, signs, probes, strict=True):
            answer = residual(view, other) - r + size * b  # A other - A x
            total += float((probe * answer).sum()) / size
        return r, total / wanted

    return (problem, *moved), estimated


def random_signs(problem: Problem, generator: torch.Generator) -> Tensor:
    """A random vector of 1 and -1, of y's shape; 0 where nothing is measured."""
    signs = torch.randint(0, 2, problem.y.shape, generator=generator).to(problem.y) * 2 - 1
    return signs if problem.observation_mask is None else signs * problem.observation_mask


def _closed_form(problem: Problem, variance: float) -> tuple[Tensor, float] | None:
    """Residual and trace where they have a closed form, else None."""
    terms = [t for t in problem.prior.terms if t.weight > 0]
    if not problem.operator.is_identity or len(terms) != 1:
        return None
    functional, tau = terms[0].functional, terms[0].weight * variance
    if not isinstance(functional, Proximable):
        return None
    trace = functional.degrees_of_freedom(problem.y, tau)
    return None if trace is None else (functional.prox(problem.y, tau) - problem.y, trace)
