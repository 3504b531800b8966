"""The corner of the L-curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.problem.functionals import Penalty
from invprior.problem.problem import Problem
from invprior.registry.options import plain_name
from invprior.weights.base import Trial, WeightRule, gaussian_variance, residual


@dataclass(frozen=True, kw_only=True)
class LCurve(WeightRule):
    """Takes the corner of the curve of log R(x) over log ||Ax - y||^2, the point of slope -1.

    The product of the two is smallest there. The rule needs no noise level, but the value of every term. Under strong
    noise the curve has no corner, and the weight is often far off.

    Sources: Hansen 1992; Reginska 1996, "A regularization parameter in discrete ill-posed problems", for the product.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {
        "chooses": "the curve of a noisy smooth image has no corner"
    }
    criterion_name: ClassVar[str] = "product of ||Ax - y||^2 and R(x), each per measurement"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """Return a trial of the problem itself.

        Raises:
            IncompatibleError: a term has no value, or the noise is not Gaussian.
        """
        # Only to refuse other noise, for which the squared residual is not the misfit.
        gaussian_variance(problem, self)
        terms = [t for t in problem.prior.terms if t.weight > 0]
        for term in terms:
            if not isinstance(term.functional, Penalty):
                raise IncompatibleError(
                    "The weight rule l-curve needs the value of every term of the prior, and "
                    f"{plain_name(type(term.functional))} has only a prox. Use sure (--weight sure)."
                )

        def criterion(weighted: Problem, images: Sequence[Tensor]) -> float:
            x = images[0]
            # R at fixed weights: those on trial would add a factor that moves the minimum.
            size = sum(
                float(t.factor * t.functional.value(x))
                for t in terms
                if isinstance(t.functional, Penalty)
            )
            misfit = float(residual(problem, x).square().sum())
            return misfit * size / problem.measurements**2

        return Trial((problem,), criterion)
