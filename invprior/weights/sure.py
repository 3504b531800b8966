"""Stein's unbiased risk estimate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt
from torch import Tensor

from invprior.operators.base import LinearOperator
from invprior.problem.problem import Problem
from invprior.weights.base import Trial, WeightRule, gaussian_variance
from invprior.weights.degrees_of_freedom import followed, random_signs


@dataclass(frozen=True, kw_only=True)
class SURE(WeightRule):
    """Minimises an unbiased estimate of the error of A x, for Gaussian noise of known or estimated level.

    With N measurements, ||Ax - y||^2 / sigma^2 - N + 2 trace(d(Ax)/dy) is on average the error ||Ax - A x_true||^2 /
    sigma^2; for denoising that is the error of x itself. The trace is found by one random probe, or in closed form for
    denoising with wavelet (l1 in an orthogonal basis) or tikhonov. Not for other noise, nor where sigma is far off:
    take holdout or gcv then.

    Where A sees less than half of x, as in strong downsampling, most of the error is in what it does not see: gains in
    A x up to the noise of a measurement then count for nothing, and the weight nearest to the default stands.

    Sources: Stein 1981; Ramani, Blu and Unser 2008 (any solver); Eldar 2009 (through an operator).

    Args:
        damping: measures the error of x itself where the operator sees it, in place of the error of A x: the
            generalised estimate, with (A A^H + d I)^-1 in place of the pseudo-inverse, d = damping ||A||^2. Small
            values estimate more of x, with more noise. Absent: the error of A x.
    """

    damping: Annotated[float, Gt(0)] | None = None

    criterion_name: ClassVar[str] = "estimated error per measurement, in units of sigma^2"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """The problem, and one with the probe added to y."""
        variance = gaussian_variance(problem, self)
        weigh = self._weighing(problem)
        views, follow = followed(problem, variance, generator, weigh)
        count = problem.measurements
        noise = 1.0 if weigh is None else _share(weigh, problem, generator)

        def criterion(weighted: Problem, images: Sequence[Tensor]) -> float:
            r, freedom = follow(weighted, images)
            misfit = float((r * (r if weigh is None else weigh(r))).sum()) / variance
            return (misfit + 2 * freedom) / count - noise

        pixels = math.prod(problem.operator.image_shape)
        return Trial(views, criterion, slack=max(0.0, 1.0 - 2.0 * count / pixels))

    def _weighing(self, problem: Problem) -> Callable[[Tensor], Tensor] | None:
        """||A||^2 (A A^H + d I)^-1 on measurements."""
        operator = problem.operator
        if self.damping is None or operator.is_identity:
            return None
        assert isinstance(operator, LinearOperator)
        norm_squared = operator.norm() ** 2
        damping = self.damping * norm_squared

        def weigh(r: Tensor) -> Tensor:
            seen: Tensor = operator(operator.solve_damped(operator.adjoint(r), damping))
            return (r - seen) * (norm_squared / damping)

        return weigh


def _share(
    weigh: Callable[[Tensor], Tensor], problem: Problem, generator: torch.Generator
) -> float:
    """The trace of M by measurement, by one random probe: what the noise alone makes of r^T M r / sigma^2."""
    signs = random_signs(problem, generator)
    return float((signs * weigh(signs)).sum()) / problem.measurements
