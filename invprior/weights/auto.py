"""The rule that picks a rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from invprior.fidelities.base import QuadraticFidelity
from invprior.operators.base import LinearOperator
from invprior.options import plain_name
from invprior.problem import Problem
from invprior.weights.base import Trial, WeightRule
from invprior.weights.default import Default
from invprior.weights.filled import Filled, missing_pixels
from invprior.weights.holdout import Holdout
from invprior.weights.sure import SURE


@dataclass(frozen=True, kw_only=True)
class Auto(WeightRule):
    """Picks a rule by the operator and the noise, and says why.

    For Gaussian noise sure, or filled where pixels are missing; holdout for other noise; the default weights where the
    operator is not linear.
    The figures are in docs/weights.md.
    """

    criterion: ClassVar[str] = "that of the rule it picks"

    def choose(self, problem: Problem) -> tuple[WeightRule, str]:
        """Return the rule that fits the problem, and why."""
        if not isinstance(problem.operator, LinearOperator):
            name = plain_name(type(problem.operator))
            return Default(), f"{name} is not linear, and the rules need a linear operator"
        if isinstance(problem.fidelity, QuadraticFidelity) and missing_pixels(problem):
            return Filled(), "the noise is Gaussian, and how well holes are filled counts too"
        if isinstance(problem.fidelity, QuadraticFidelity):
            return SURE(), "the noise is Gaussian, so the error can be estimated without bias"
        name = plain_name(type(problem.fidelity))
        return (
            Holdout(),
            f"the fidelity is {name}, and held-out measurements need no Gaussian noise",
        )

    def start(self, problem: Problem, generator: torch.Generator) -> Trial | None:
        """Start what `choose` returns."""
        return self.choose(problem)[0].start(problem, generator)
