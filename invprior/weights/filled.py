"""The error of the whole image when some of its pixels are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.problem.problem import Problem
from invprior.registry.options import plain_name
from invprior.weights.base import Trial, WeightRule, gaussian_variance
from invprior.weights.holdout import Holdout
from invprior.weights.sure import SURE


@dataclass(frozen=True, kw_only=True)
class Filled(WeightRule):
    """Minimises the error of known and missing pixels together: sure for the known, holdout for the missing.

    Each of the two sees only its own part. sure does not measure how well missing pixels are filled, and holdout does
    not measure how well noise is removed. Both criteria are errors in units of sigma^2, so they add, weighted by their
    numbers of pixels. For operators that only leave pixels out, and for Gaussian noise.

    Args:
        fraction: fraction of the known pixels that is held out at random in place of the missing ones.
    """

    fraction: Annotated[float, Gt(0), Lt(1)] = 0.1

    criterion_name: ClassVar[str] = "estimated error per pixel, in units of sigma^2"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """Return a trial with the views of both rules.

        Raises:
            IncompatibleError: the operator does not only leave pixels out, or the noise is not Gaussian.
        """
        # Only to refuse other noise by this rule's own name; `SURE` takes the variance itself.
        gaussian_variance(problem, self)
        missing = missing_pixels(problem)
        if missing is None:
            raise IncompatibleError(
                "The weight rule filled needs an operator that only leaves pixels out; got "
                f"{plain_name(type(problem.operator))}. Use sure (--weight sure)."
            )
        known = SURE().start(problem, generator)
        held = Holdout(fraction=self.fraction).start(problem, generator)
        count = len(known.views)

        def criterion(weighted: Problem, images: Sequence[Tensor]) -> float:
            noise = known.criterion(weighted, images[:count])
            # E is half the squared error in units of sigma^2, and the held-out pixels add their own noise, 1.
            filling = 2 * held.criterion(weighted, images[count:]) - 1
            return (1 - missing) * noise + missing * filling

        # One trial, so that the views of both rules take the same number of steps.
        return Trial((*known.views, *held.views), criterion)


def missing_pixels(problem: Problem) -> float | None:
    """Return the fraction of missing pixels if the operator only leaves pixels out, else None."""
    if not problem.operator.is_mask:
        return None
    return 1 - problem.measurements / problem.y.numel()
