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

    It estimates the error of predicting each measurement from all others. With priors that are not quadratic the trace
    is that of the derivative at y. Choose it where sigma is doubtful; sure is better where it is known.

    Source: Golub, Heath and Wahba 1979; the trace by a random probe after Girard 1989.
    """

    criterion_name: ClassVar[str] = "cross-validated error, per measurement, in units of sigma^2"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """The problem, and one with the probe added to y."""
        variance = gaussian_variance(problem, self)  # a unit alone: it moves no minimum
        views, follow = followed(problem, variance, generator)
        count = problem.measurements

        def criterion(weighted: Problem, images: Sequence[Tensor]) -> float:
            r, freedom = follow(weighted, images)
            misfit, left = float(r.square().sum()) / variance, 1.0 - freedom / count
            return misfit / count / left**2 if left > 0 else float("inf")

        return Trial(views, criterion)
