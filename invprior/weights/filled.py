"""The error of the whole image where some of its pixels are missing."""

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
    """Minimises the error of known and of missing pixels together: sure for the known, holdout for the missing.

    Either alone sees only its own part: sure cannot tell how well holes are filled, and holdout not how well noise is
    removed. Both criteria are errors in units of sigma^2, so they add, each by its number of pixels. For operators
    that leave pixels of the image out, and Gaussian noise.

    Args:
        fraction: of the known pixels, held out at random to stand for the missing ones.
    """

    fraction: Annotated[float, Gt(0), Lt(1)] = 0.1

    criterion_name: ClassVar[str] = "estimated error per pixel, in units of sigma^2"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """The views of both.

        Raises:
            IncompatibleError: the operator does more than leave pixels out, or the noise is not Gaussian.
        """
        gaussian_variance(problem, self)
        missing = missing_pixels(problem)
        if missing is None:
            raise IncompatibleError(
                "The weight rule filled needs an operator that leaves pixels out and does nothing else, and "
                f"{plain_name(type(problem.operator))} is another. Use sure (--weight sure)."
            )
        known = SURE().start(problem, generator)
        held = Holdout(fraction=self.fraction).start(problem, generator)
        count = len(known.views)

        def criterion(weighted: Problem, images: Sequence[Tensor]) -> float:
            noise = known.criterion(weighted, images[:count])
            filling = (
                2 * held.criterion(weighted, images[count:]) - 1
            )  # E is half the error, and holds the noise
            return (1 - missing) * noise + missing * filling

        return Trial((*known.views, *held.views), criterion)


def missing_pixels(problem: Problem) -> float | None:
    """Which part of the image is missing, where the operator leaves pixels out and does nothing else; else None."""
    if not problem.operator.is_mask:
        return None
    return 1 - problem.measurements / problem.y.numel()
