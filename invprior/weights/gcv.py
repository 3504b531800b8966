"""Generalised cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invprior.problem.problem import Problem
from invprior.weights.base import Trial, WeightRule, gaussian_variance
from invprior.weights.degrees_of_freedom import followed


@dataclass(frozen=True, kw_only=True)
class GCV(WeightRule):
    """Minimises N ||Ax - y||^2 / (N - trace(d(Ax)/dy))^2, which needs no noise level.

    It estimates the error of predicting each measurement from all others. For a prior that is not quadratic, the trace
    is that of the derivative at y. Use it when sigma is doubtful; sure is better when sigma is known.

    Sources: Golub, Heath and Wahba 1979; Girard 1989, for the trace by a random probe.
    """

    criterion_name: ClassVar[str] = "cross-validated error per measurement, in units of sigma^2"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """Return a trial of the problem and of one with the probe added to y."""
        # Only a unit of the criterion and of the probe: sigma does not move the minimum.
        variance = gaussian_variance(problem, self)
        views, evaluate = followed(problem, variance, generator)
        count = problem.measurements

        def criterion(weighted: Problem, images: Sequence[Tensor]) -> float:
            r, degrees = evaluate(weighted, images)
            misfit, left = float(r.square().sum()) / variance, 1.0 - degrees / count
            # An estimated trace may exceed N, where the formula would fall again.
            return misfit / count / left**2 if left > 0 else float("inf")

        return Trial(views, criterion)
