"""Cross-validation with one set of held-out measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.operators.masked import Masked
from invprior.problem.problem import Problem
from invprior.registry.options import plain_name
from invprior.weights.base import Trial, WeightRule, linear_operator

# Parts are added until so many measurements have been held out, up to four: one part of a small image leaves the weight
# to chance.
_HELD_OUT = 2**12
_MOST_PARTS = 4


@dataclass(frozen=True, kw_only=True)
class Holdout(WeightRule):
    """Fits some of the measurements and minimises the negative log-likelihood of the others.

    It needs no noise level and no Gaussian noise, only independent noise of the measurements. It measures how well
    missing pixels are filled more than how well noise is removed, so it is not for denoising. Pixels are held out with
    all their channels. Of a small image, up to four parts are held out in turn.

    Source: Stone 1974, for cross-validation.

    Args:
        fraction: fraction of the measurements that is held out at random, of each part.
    """

    fraction: Annotated[float, Gt(0), Lt(1)] = 0.1

    criterion_name: ClassVar[str] = "E per held-out measurement"

    def start(self, problem: Problem, generator: torch.Generator) -> Trial:
        """Return a trial of the problem without the held-out measurements.

        Raises:
            IncompatibleError: the operator is not linear, or no measurement is held out, or none is left to fit.
        """
        views, parts = held_out(problem, self, self.fraction, generator)
        total = sum(int(part.sum()) for part in parts)
        y, fidelity, operator = problem.y, problem.fidelity, problem.operator
        floor = fidelity.value(y, y).double()  # not 0 for every fidelity

        def criterion(weighted: Problem, images: Sequence[Tensor]) -> float:
            # By the bare operator: the masked one predicts 0 where a measurement is held out. In the shape of y, which
            # a fidelity may need; where a measurement does not count, it is its own prediction.
            misfits = [
                fidelity.value(torch.where(part, operator(x), y), y).double() - floor
                for part, x in zip(parts, images, strict=True)
            ]
            return float(torch.stack(misfits).sum()) / total

        return Trial(views, criterion)


def held_out(
    problem: Problem,
    rule: WeightRule,
    fraction: float,
    generator: torch.Generator,
    most: int = _MOST_PARTS,
) -> tuple[tuple[Problem, ...], list[Tensor]]:
    """Return the problems that lack some measurements each, and the boolean masks of these, of y's shape.

    Args:
        problem: the problem.
        rule: the rule, for messages.
        fraction: fraction of the measurements that each problem lacks.
        generator: the source of the choice.
        most: maximum number of problems.

    Raises:
        IncompatibleError: the operator is not linear, or no measurement is held out, or none is left to fit.
    """
    operator, y = linear_operator(problem, rule), problem.y
    if problem.fidelity.block > 1:
        raise IncompatibleError(
            f"The weight rule {plain_name(type(rule))} holds out single measurements, and {problem.fidelity.title} "
            "takes blocks of them. Give the weight, or use default (--weight default)."
        )
    # The channels of a pixel often share their noise, so they are held out together.
    places = (1, *y.shape[1:]) if y.dim() != 4 else (1, 1, *y.shape[2:])
    drawn = torch.rand(places, generator=generator).to(y.device).expand(y.shape)
    mask = problem.observation_mask
    measured = torch.ones_like(y, dtype=torch.bool) if mask is None else mask.expand(y.shape)

    def part(number: int) -> Tensor:
        return measured & (drawn >= number * fraction) & (drawn < (number + 1) * fraction)

    first = part(0)
    if not bool(first.any()) or not bool((measured & ~first).any()):
        raise IncompatibleError(
            f"The weight rule {plain_name(type(rule))} needs more measurements; "
            f"got {problem.measurements}. Give the weight, or use default (--weight default)."
        )
    count = min(-(-_HELD_OUT // int(first.sum())), most, int(1 / fraction))
    parts = [first, *(part(number) for number in range(1, count))]
    # A mask on the operator hides the held-out measurements from every solver.
    views = tuple(replace(problem, operator=Masked(operator, ~held)) for held in parts)
    return views, parts
