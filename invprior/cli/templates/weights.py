"""A weight rule in a package of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invprior import Problem
from invprior.weights.base import Trial, WeightRule, gaussian_variance, residual


@dataclass(frozen=True, kw_only=True)
class Mine(WeightRule):
    """Takes the weight whose residual looks most like white noise: neighbours in it should not be alike."""

    criterion: ClassVar[str] = "correlation of neighbours in the residual"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """Solve the problem as it is at each weight, and compare the residuals."""
        gaussian_variance(problem, self)  # refuses what the figure means nothing for

        def figure(weighted: Problem, results: Sequence[Tensor]) -> float:
            r = residual(weighted, results[0])
            r = r - r.mean()
            alike = [(r[..., 1:, :] * r[..., :-1, :]).mean(), (r[..., 1:] * r[..., :-1]).mean()]
            return sum(abs(float(a)) for a in alike) / float(r.square().mean())

        return Trial((problem,), figure)
