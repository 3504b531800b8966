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
from invprior.weights.base import Trial, WeightRule, noise_variance
from invprior.weights.holdout import held_out
from invprior.weights.sure import SURE


@dataclass(frozen=True, kw_only=True)
class Filled(WeightRule):
    """Minimises the error of known and missing pixels together: sure for the known, holdout for the missing.

    Each of the two sees only its own part. sure does not measure how well missing pixels are filled, and holdout does
    not measure how well noise is removed. Both criteria are errors in units of sigma^2, so they add, weighted by their
    numbers of pixels. For operators that only leave pixels out, and for noise of known variance.

    Args:
        fraction: fraction of the known pixels that is held out at random in place of the missing ones.
    """

    fraction: Annotated[float, Gt(0), Lt(1)] = 0.1

    criterion_name: ClassVar[str] = "estimated error per pixel, in units of sigma^2"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """Return a trial with the views of both rules.

        Raises:
            IncompatibleError: the operator does not only leave pixels out, or the variance of the noise is unknown.
        """
        variances, variance = noise_variance(problem, self)
        missing = missing_pixels(problem)
        if missing is None:
            raise IncompatibleError(
                "The weight rule filled needs an operator that only leaves pixels out; got "
                f"{plain_name(type(problem.operator))}. Use sure (--weight sure)."
            )
        known = SURE().start(problem, generator)
        # One part: with four on small images, the search took twice the time for weights no better.
        views, parts = held_out(problem, self, self.fraction, generator, most=1)
        # The squared error of a held-out pixel has its noise, too.
        noise = sum(float((part * variances).double().sum()) for part in parts) / variance
        total = sum(int(part.sum()) for part in parts)
        first = len(known.views)

        def criterion(weighted: Problem, images: Sequence[Tensor]) -> float:
            squares = 0.0
            for part, x in zip(parts, images[first:], strict=True):
                squares += float((part * (problem.operator(x) - problem.y)).square().sum())
            filling = (squares / variance - noise) / total
            return (1 - missing) * known.criterion(weighted, images[:first]) + missing * filling

        # One trial, so that the views of both rules take the same number of steps.
        return Trial((*known.views, *views), criterion)


def missing_pixels(problem: Problem) -> float | None:
    """Return the fraction of missing pixels if the operator only leaves pixels out, else None."""
    if not problem.operator.is_mask:
        return None
    return 1 - problem.measurements / problem.y.numel()
