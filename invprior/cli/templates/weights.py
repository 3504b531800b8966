"""A weight rule for invprior."""

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
    """Takes the weight whose residual is closest to white noise, whose neighbours are uncorrelated."""

    criterion_name: ClassVar[str] = "correlation of neighbours in the residual"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """Solve the unchanged problem at each weight, and compare the residuals."""
        gaussian_variance(problem, self)  # refuses noise that is not Gaussian

        def correlation(weighted: Problem, results: Sequence[Tensor]) -> float:
            r = residual(weighted, results[0])
            r = r - r.mean()
            pairs = [(r[..., 1:, :] * r[..., :-1, :]).mean(), (r[..., 1:] * r[..., :-1]).mean()]
            return sum(abs(float(p)) for p in pairs) / float(r.square().mean())

        return Trial((problem,), correlation)  # one view: each trial solves one problem
