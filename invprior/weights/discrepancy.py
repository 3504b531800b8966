"""The discrepancy principle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt
from torch import Tensor

from invprior.problem.problem import Problem
from invprior.weights.base import Trial, WeightRule, gaussian_variance, residual


@dataclass(frozen=True, kw_only=True)
class Discrepancy(WeightRule):
    """Makes the residual as large as the noise: ||Ax - y||^2 = factor N sigma^2.

    It is the cheapest rule, but it smooths too much. A restoration follows the noise a little, so its residual should
    be smaller than the noise; sure takes that into account.

    Source: Morozov 1966.

    Args:
        factor: 1 trusts sigma; a smaller value smooths less.
    """

    factor: Annotated[float, Gt(0)] = 1.0

    criterion_name: ClassVar[str] = "squared logarithm of ||Ax - y||^2 over its target"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """Return a trial of the problem itself."""
        goal = self.factor * problem.measurements * gaussian_variance(problem, self)

        def criterion(weighted: Problem, images: Sequence[Tensor]) -> float:
            size = float(residual(problem, images[0]).square().sum())
            # A minimum in place of the equation; k times too large is as bad as k times too small.
            # A perfect fit leaves 0, whose logarithm would raise an error, hence 1e-30.
            return math.log(max(size, 1e-30) / goal) ** 2

        return Trial((problem,), criterion)
