"""The rule that picks a rule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from invprior.fidelities.base import QuadraticFidelity
from invprior.operators.base import LinearOperator
from invprior.problem.problem import Problem
from invprior.registry.options import plain_name
from invprior.weights.base import Trial, WeightRule
from invprior.weights.default import Default
from invprior.weights.filled import Filled, missing_pixels
from invprior.weights.holdout import Holdout
from invprior.weights.sure import SURE

_DAMPING = (
    3.0  # times the variance: of 1, 3 and 10 the best under two blur kernels, for three priors
)


@dataclass(frozen=True, kw_only=True)
class Auto(WeightRule):
    """Picks a rule by the operator and the noise, and says why.

    For Gaussian noise filled where pixels are missing, else sure: of A x for denoising and strong downsampling, of x
    under a blur, damped by three times the noise's variance. holdout for other noise; the default weights where the
    operator is not linear. The measurements are in docs/weights.md.
    """

    criterion_name: ClassVar[str] = "that of the rule it picks"

    def choose(self, problem: Problem) -> tuple[WeightRule, str]:
        """Return the rule that fits the problem, and why."""
        if not isinstance(problem.operator, LinearOperator):
            name = plain_name(type(problem.operator))
            return Default(), f"{name} is not linear, and the rules need a linear operator"
        fidelity, operator = problem.fidelity, problem.operator
        if not isinstance(fidelity, QuadraticFidelity):
            name = plain_name(type(fidelity))
            return (
                Holdout(),
                f"the fidelity is {name}, and held-out measurements need no Gaussian noise",
            )
        if missing_pixels(problem):
            return Filled(), "the noise is Gaussian, and how well holes are filled counts too"
        why = "the noise is Gaussian, so the error can be estimated without bias"
        if operator.is_identity or 2 * problem.measurements < math.prod(operator.image_shape):
            return SURE(), why
        damping = float(f"{_DAMPING / fidelity.precision:.3g}")
        return SURE(damping=damping), f"{why}, that of the image where the operator has kept it"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial | None:
        """Start what `choose` returns."""
        return self.choose(problem)[0].start(problem, generator)
