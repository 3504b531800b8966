"""Stop when measurements that were kept out of the fit are predicted best."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from invprior.errors import MeasurementError
from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Refit, Stop
from invprior.stopping.base import StoppingRule, Watcher
from invprior.stopping.lowest import LEAST, Lowest, LowestWatch, Mark
from invprior.stopping.split import SplitProblem, split


@dataclass(frozen=True, kw_only=True)
class Holdout(StoppingRule):
    """Keeps some measurements out of the fit and stops when the estimate predicts them best.

    For any operator, any fidelity and unknown noise, as long as the noise of neighbours is independent. Of K networks
    fitted side by side each keeps out others, so that their mean, which is the result, has seen all. The error of the
    mean at what it has not seen follows from the members' own: by how much the mean fits better than they do on average
    is the same there as where all have seen the measurement, exactly so for a Gaussian fidelity (Krogh and Vedelsby
    1995, "Neural network ensembles, cross validation, and active learning").

    What the operator hides, as a blur does, no measurement tells of. There the networks' own differences count: they
    invent details independently, and the squared error which that leaves in their mean is added, as far as it is larger
    in the image than in what is measured of it. It takes two networks.

    Goes on for a while after the best estimate, then goes back to it and on from there for some steps with all
    measurements: nothing is lost by what was kept out, and a fit of all is best a little later than it predicts.

    Args:
        fraction: of the measurements that each network does not see.
        every: look at every so many steps; each look applies the operator once.
        patience: how long to go on without a better estimate, as a share of the steps to the last.
        refit: how long to go on with all measurements, as a share of the steps to the best estimate; 0 to return that.
        limit: where the run ends anyway; the refit begins in time for that, even if the estimate still gets better.
    """

    fraction: Annotated[float, Gt(0), Le(0.5)] = 0.05
    every: Annotated[int, Ge(1)] = 5
    patience: Annotated[float, Gt(0)] = 0.25
    refit: Annotated[float, Ge(0)] = 0.15
    limit: Annotated[int, Ge(1)] | None = None

    def prepare(self, problem: Problem, generator: torch.Generator) -> Problem:
        """Choose what each network does not see.

        Raises:
            MeasurementError: there are too few measurements.
        """
        network = problem.reparameterization
        members = 1 if network is None else network.members
        shape = problem.operator.measurement_shape
        held = _scattered(shape, members, self.fraction, generator).to(problem.y.device)
        if problem.observation_mask is not None:
            held = held & problem.observation_mask
        fewest = int(held.flatten(1).sum(1).min())
        if fewest < _FEWEST:
            raise MeasurementError(
                f"The stopping rule holdout must have at least {_FEWEST} measurements to keep out; it would have "
                f"{fewest} of {problem.measurements}. Use a larger fraction, or another rule such as max-steps."
            )
        return split(problem, held_out=held)

    def start(self, problem: Problem) -> Watcher:
        """Compute the error of what was kept out, every so many steps."""
        assert isinstance(problem, SplitProblem)  # `prepare` has made it
        assert problem.held_out is not None
        return _Watch(Lowest(self.patience, LEAST), self, problem.held_out)


_FEWEST = 32


@dataclass
class _Watch(LowestWatch):
    rule: Holdout
    held: Tensor
    mark: Mark = field(default_factory=Mark)
    until: int | None = None

    @property
    def met(self) -> bool:  # type: ignore[override]
        """Whether the best estimate has been found, and the run goes on with all measurements."""
        return self.until is not None

    def best(self) -> Tensor | None:
        """The image that predicts best; from the refit on, what the run has."""
        return None if self.met else super().best()

    def __call__(self, iterate: Iterate) -> Stop | None:
        what = "held-out error was lowest"
        if self.until is not None:
            return self._end(iterate, what)
        if iterate.step % self.rule.every:
            return None
        error = unseen_error(iterate, self.held)
        limit = math.inf if self.rule.limit is None else self.rule.limit
        due = iterate.step * (1 + self.rule.refit) >= limit
        end = self.look(iterate, error, self.rule, what, due=due)
        if self.rule.refit > 0:
            self.mark.follow(self.lowest, iterate)
        if end is None or self.mark.members is None:
            return end
        self.until = iterate.step + max(1, round(self.rule.refit * self.mark.step))
        return replace(end, refit=Refit(self.mark.mutable_state, self.mark.members))

    def _end(self, iterate: Iterate, what: str) -> Stop | None:
        assert self.until is not None
        if iterate.step < self.until:
            return None
        return Stop("holdout", True, f"{what} at step {self.mark.step}; refitted on all data")


@torch.no_grad()
def unseen_error(iterate: Iterate, held: Tensor) -> Tensor:
    """The fidelity of the estimate at measurements that it has not seen, and what none can see, per measurement.

    Args:
        iterate: its members, (K, C, H, W).
        held: what each member has not seen, (K, *measurement_shape).

    Returns:
        A scalar on the device.
    """
    problem = iterate.objective.problem
    fidelity, y = problem.fidelity, problem.y
    predictions = problem.operator(iterate.members)
    each = y.expand_as(predictions)
    floor = fidelity.value(y, y)

    def misfit(prediction: Tensor, where: Tensor) -> Tensor:
        against = each[: len(prediction)]
        return fidelity.value(torch.where(where, prediction, against), against) - floor

    unseen = (misfit(predictions, held) / held.flatten(1).sum(1)).mean()
    if len(held) == 1:
        return unseen
    seen = ~held.any(0, keepdim=True)
    if problem.observation_mask is not None:
        seen = seen & problem.observation_mask
    gap = (
        misfit(predictions, seen).mean() - misfit(predictions.mean(0, keepdim=True), seen).squeeze()
    )
    shown = problem.observation_mask
    invisible = _error_of_mean(iterate.members, None) - _error_of_mean(predictions, shown)
    return unseen - gap / seen.sum() + invisible.clamp_min(0) / (2 * problem.noise_level**2)


def _error_of_mean(members: Tensor, where: Tensor | None) -> Tensor:
    """The squared error of the members' mean that their own differences show, per entry."""
    apart = (members - members.mean(0, keepdim=True)).abs().square()
    counts = torch.ones_like(apart[:1]) if where is None else where.expand_as(apart[:1])
    return (apart * counts).sum() / counts.sum() / (len(members) * (len(members) - 1))


_CELL = 10  # pixels a side


def _scattered(
    shape: tuple[int, ...], members: int, fraction: float, generator: torch.Generator
) -> Tensor:
    """Choose entries for each member, boolean, (members, *shape), evenly spread, none for two members where possible.

    Of an image, (C, H, W), whole pixels are chosen: the channels of one often share their noise. It is cut into cells,
    each of which gives as many pixels to each member.
    """
    rows, columns = shape[1:] if len(shape) == 3 else (1, math.prod(shape))
    tall, wide = (_CELL, _CELL) if len(shape) == 3 else (1, _CELL**2)
    down, across = math.ceil(rows / tall), math.ceil(columns / wide)
    order = torch.rand(down, across, tall * wide, generator=generator).argsort(-1)
    share = max(1, round(fraction * tall * wide))
    different = tall * wide // share
    held = torch.stack([order // share == member % different for member in range(members)])
    grid = held.view(members, down, across, tall, wide).transpose(2, 3)
    whole = grid.reshape(members, 1, down * tall, across * wide)[..., :rows, :columns]
    if len(shape) == 3:
        return whole.expand(members, *shape)
    return whole.reshape(members, *shape)
