"""Held-out measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.operators.base import LinearOperator
from invprior.operators.masked import Masked
from invprior.problem.problem import Problem
from invprior.registry.options import plain_name
from invprior.weights.base import Trial, WeightRule


@dataclass(frozen=True, kw_only=True)
class Holdout(WeightRule):
    """Fits some of the measurements and asks which weight predicts the others best, by their likelihood.

    It needs no noise level and no Gaussian noise, only that the noise of two measurements be independent. It sees how
    well holes are filled, more than how well noise is removed, so it is no rule for denoising. Pixels are held out in
    all channels together.

    Args:
        fraction: of the measurements, held out at random.

    Source: cross-validation, Stone 1974.
    """

    fraction: Annotated[float, Gt(0), Lt(1)] = 0.1

    criterion_name: ClassVar[str] = "E of the held-out measurements, each"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """The problem without the held-out measurements.

        Raises:
            IncompatibleError: the operator is not linear, or the draw leaves nothing on either side.
        """
        operator, y = problem.operator, problem.y
        if not isinstance(operator, LinearOperator):
            raise IncompatibleError(
                f"The weight rule holdout needs a linear operator, and {plain_name(type(operator))} is not one. "
                "Use default (--weight default), or give the weight."
            )
        places = (1, *y.shape[1:]) if y.dim() != 4 else (1, 1, *y.shape[2:])
        drawn = (torch.rand(places, generator=generator) < self.fraction).to(y.device)
        observation_mask = (
            torch.ones((), dtype=torch.bool)
            if problem.observation_mask is None
            else problem.observation_mask
        )
        held = drawn.expand(y.shape) & observation_mask.to(y.device).expand(y.shape)
        kept = ~drawn.expand(y.shape)
        if not bool(held.any()) or not bool((kept & observation_mask.to(y.device)).any()):
            raise IncompatibleError(
                "The weight rule holdout needs more measurements; "
                f"got {problem.measurements}. Give the weight, or use default (--weight default)."
            )
        fitted = replace(problem, operator=Masked(operator, kept))
        truth = y[held][None]

        def criterion(weighted: Problem, images: Sequence[Tensor]) -> float:
            prediction = operator(images[0])[held][None]
            return float(problem.fidelity.value(prediction, truth).sum()) / truth.numel()

        return Trial((fitted,), criterion)
