"""Cross-validation with one set of held-out measurements."""

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
    """Fits some of the measurements and minimises the negative log-likelihood of the others.

    It needs no noise level and no Gaussian noise, only independent noise of the measurements. It measures how well
    missing pixels are filled more than how well noise is removed, so it is not for denoising. Pixels are held out with
    all their channels.

    Source: Stone 1974, for cross-validation.

    Args:
        fraction: fraction of the measurements that is held out at random.
    """

    fraction: Annotated[float, Gt(0), Lt(1)] = 0.1

    criterion_name: ClassVar[str] = "E per held-out measurement"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """Return a trial of the problem without the held-out measurements.

        Raises:
            IncompatibleError: the operator is not linear, or no measurement is held out, or none is left to fit.
        """
        operator, y = problem.operator, problem.y
        if not isinstance(operator, LinearOperator):
            raise IncompatibleError(
                f"The weight rule holdout needs a linear operator, and {plain_name(type(operator))} is not one. "
                "Use default (--weight default), or give the weight."
            )
        # The channels of a pixel often share their noise, so they are held out together.
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
        # A mask on the operator hides the held-out measurements from every solver.
        fitted = replace(problem, operator=Masked(operator, kept))
        count = int(held.sum())
        floor = problem.fidelity.value(y, y).double()  # not 0 for every fidelity

        def criterion(weighted: Problem, images: Sequence[Tensor]) -> float:
            # By the bare operator: the masked one predicts 0 where a measurement is held out. In the shape of y, which
            # a fidelity may need; where a measurement does not count, it is its own prediction.
            prediction = torch.where(held, operator(images[0]), y)
            misfit = problem.fidelity.value(prediction, y).double() - floor
            return float(misfit.sum()) / count

        return Trial((fitted,), criterion)
