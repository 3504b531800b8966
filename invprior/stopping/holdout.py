"""Stop when the error at held-out measurements is lowest."""

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
from invprior.stopping.lowest import LEAST, BestState, Lowest, LowestWatch
from invprior.stopping.split import SplitProblem, split


@dataclass(frozen=True, kw_only=True)
class Holdout(StoppingRule):
    """Keeps some measurements out of the fit and stops when the estimate predicts them best.

    It suits any operator, any fidelity and an unknown noise level, if the noise of neighbours is independent.

    Each network of an ensemble holds out different measurements, so their mean, which is the result, has seen all of
    them. The error of the mean follows from the members' errors at their own held-out measurements. The mean fits
    better than the members do on average, and by the same amount at fitted and at held-out measurements. For a Gaussian
    fidelity this is exact (Krogh and Vedelsby 1995, "Neural network ensembles, cross validation, and active learning").

    No measurement shows what the operator hides, as a blur does. The networks invent such detail independently. The
    rule therefore adds the squared error that their differences leave in the mean, as far as it is larger in the image
    than in the measurements. This takes two networks or more.

    A network whose input is the measurement sees a held-out pixel with its noise, and passes part of it on. The error
    then looks too small, most of all in the first steps. So an ensemble of dip that denoises adds a known noise at each
    held-out pixel, the same at every step. The prediction follows both noises alike, and what it follows of the known
    one is added to the error
    (Oliveira, Lei and Tibshirani 2024, "Unbiased risk estimation in the normal means problem via coupled bootstrap
    techniques").

    After the best estimate the run continues for a while, to confirm the minimum. It then takes some more steps with
    all measurements. Nothing is lost by the held-out data, and a fit of all measurements is best later than the rule
    predicts. Where it would have ended before the minimum was confirmed, the run returns to the best estimate first.

    Args:
        fraction: fraction of the measurements that each network does not fit.
        every: steps between two checks, each of which applies the operator once.
        patience: how long to continue without a better estimate, as a fraction of the steps to the best one.
        refit: how long to continue after the best estimate, as a fraction of the steps to it; 0 returns that estimate.
        limit: step at which the run ends in any case; the refit starts in time for it, even if the estimate still
            improves.
    """

    # These defaults were chosen on four of scikit-image's images, apart from the test sets in docs/stopping.md.
    fraction: Annotated[float, Gt(0), Le(0.5)] = 0.05
    every: Annotated[int, Ge(1)] = 5
    patience: Annotated[float, Gt(0)] = 0.25
    refit: Annotated[float, Ge(0)] = 0.15
    limit: Annotated[int, Ge(1)] | None = None

    def within(self, steps: int) -> Holdout:
        """Return the rule with this limit, so that the refit ends in time for it."""
        return replace(self, limit=steps)

    def prepare(self, problem: Problem, generator: torch.Generator) -> Problem:
        """Return the problem with a set of held-out measurements for each network.

        Raises:
            MeasurementError: there are too few measurements.
        """
        network = problem.reparameterization
        members = 1 if network is None else network.members
        shape = problem.operator.measurement_shape
        # Drawn on the CPU, so that every device holds out the same measurements.
        held = _scattered(shape, members, self.fraction, generator).to(problem.y.device)
        if problem.observation_mask is not None:
            held = held & problem.observation_mask
        fewest = int(held.flatten(1).sum(1).min())
        if fewest < _MIN_HELD_OUT:
            raise MeasurementError(
                f"The stopping rule holdout needs at least {_MIN_HELD_OUT} measurements to hold out; got {fewest} of "
                f"{problem.measurements}. Use a larger fraction, or another rule such as max-steps."
            )
        return split(problem, held_out=held)

    def start(self, problem: Problem) -> Watcher:
        """Return a watcher of the error at the held-out measurements."""
        assert isinstance(problem, SplitProblem)  # `prepare` has made it
        assert problem.held_out is not None
        return _Watch(Lowest(self.patience, LEAST), self, problem.held_out)


# Of the steps to the best estimate: the least time for the measurements that were held out.
_ALL_DATA = 0.1
# Fewer held-out measurements are refused.
_MIN_HELD_OUT = 32


@dataclass
class _Watch(LowestWatch):
    """Looks for the lowest error, then counts the steps of the refit.

    Attributes:
        rule: the rule.
        held: the held-out measurements of each member, boolean, (K, *measurement_shape).
        best_state: the solver's state at the lowest error.
        refit_end: the step at which the refit ends; None before it starts.
    """

    rule: Holdout
    held: Tensor
    best_state: BestState = field(default_factory=BestState)
    refit_end: int | None = None

    @property
    def met(self) -> bool:  # type: ignore[override]
        """Whether the best estimate has been found and the run now fits all measurements."""
        return self.refit_end is not None

    def best(self) -> Tensor | None:
        """Return the image with the lowest error; None from the refit on, so that the run's own is used."""
        return None if self.met else super().best()

    def __call__(self, iterate: Iterate) -> Stop | None:
        what = "held-out error was lowest"
        if self.refit_end is not None:
            return self._end(iterate, what)
        if iterate.step % self.rule.every:
            return None
        error = unseen_error(iterate, self.held)
        # Without noise the error falls to the end. A run that met its limit then, with measurements still unfitted,
        # lost 0.4 to 0.7 dB.
        limit = math.inf if self.rule.limit is None else self.rule.limit
        at_limit = iterate.step * (1 + self.rule.refit) >= limit
        end = self.look(iterate, error, self.rule, what, at_limit=at_limit)
        if self.rule.refit > 0:
            self.best_state.follow(self.lowest, iterate)
        # A solver without mutable state cannot be taken back, and at the limit no step is left for a refit. The run
        # then ends with the best image.
        if end is None or self.best_state.members is None or iterate.step >= limit:
            return end
        best, more = self.best_state.step, max(1, round(self.rule.refit * self.best_state.step))
        if iterate.step < best + more:
            self.refit_end = max(best + more, iterate.step + round(_ALL_DATA * best))
            return replace(end, refit=Refit())
        self.refit_end = iterate.step + more
        return replace(end, refit=Refit(self.best_state.mutable_state, self.best_state.members))

    def _end(self, iterate: Iterate, what: str) -> Stop | None:
        assert self.refit_end is not None
        if iterate.step < self.refit_end:
            return None
        return Stop("holdout", True, f"{what} at step {self.best_state.step}; refitted on all data")


@torch.no_grad()
def unseen_error(iterate: Iterate, held: Tensor) -> Tensor:
    """Estimate the fidelity of the members' mean at unseen measurements, plus the error that none of them shows.

    Args:
        iterate: an iterate with K members, (K, C, H, W).
        held: the held-out measurements of each member, boolean, (K, *measurement_shape).

    Returns:
        The error per measurement, a scalar on the device.
    """
    problem = iterate.objective.problem
    fidelity, y = problem.fidelity, problem.y
    predictions = problem.operator(iterate.members)
    each = y.expand_as(predictions)
    floor = fidelity.value(y, y)  # not 0 for every fidelity

    def misfit(prediction: Tensor, where: Tensor) -> Tensor:
        # Where a measurement is not counted, the prediction is replaced by it.
        against = each[: len(prediction)]
        return fidelity.value(torch.where(where, prediction, against), against) - floor

    counts = held.flatten(1).sum(1)
    unseen = (misfit(predictions, held) / counts).mean()
    # One network has no disagreement to learn from.
    if len(held) == 1:
        return unseen
    network = problem.reparameterization
    kept = None if network is None else network.kept_offset
    if kept is not None:
        # What the networks have in common does not depend on the noise that one of them sees.
        apart = predictions - predictions.mean(0, keepdim=True)
        shared = (apart * kept).flatten(1).sum(1) / counts * (len(held) / (len(held) - 1))
        unseen = unseen + shared.mean() / problem.noise_level**2
    # The mean's advantage over its members, measured where every member has fitted the data.
    seen = ~held.any(0, keepdim=True)
    if problem.observation_mask is not None:
        seen = seen & problem.observation_mask
    gap = (
        misfit(predictions, seen).mean() - misfit(predictions.mean(0, keepdim=True), seen).squeeze()
    )
    # The error of the mean that shows in the image but not in the measurements, in units of 2 sigma^2 as E is.
    mask = problem.observation_mask
    invisible = _error_of_mean(iterate.members, None) - _error_of_mean(predictions, mask)
    return unseen - gap / seen.sum() + invisible.clamp_min(0) / (2 * problem.noise_level**2)


def _error_of_mean(members: Tensor, where: Tensor | None) -> Tensor:
    """Estimate the squared error of the members' mean from their differences, per entry.

    Args:
        members: (K, ...), K >= 2, with independent errors.
        where: the entries that count, boolean; None for all.
    """
    apart = (members - members.mean(0, keepdim=True)).abs().square()
    counts = torch.ones_like(apart[:1]) if where is None else where.expand_as(apart[:1])
    # The sample variance is divided by K - 1, and that of a mean by K more.
    return (apart * counts).sum() / counts.sum() / (len(members) * (len(members) - 1))


# Side of a cell in pixels. It gives each member the same number of held-out pixels, 5 of 100 at the default fraction.
_CELL = 10


def _scattered(
    shape: tuple[int, ...], members: int, fraction: float, generator: torch.Generator
) -> Tensor:
    """Draw evenly spread entries for each member, different ones where the fraction allows.

    Of an image, (C, H, W), pixels are drawn with all their channels, which often share their noise. The image is cut
    into cells, each of which gives the same number of pixels to each member.

    Returns:
        A boolean tensor, (members, *shape).
    """
    rows, columns = shape[1:] if len(shape) == 3 else (1, math.prod(shape))
    tall, wide = (_CELL, _CELL) if len(shape) == 3 else (1, _CELL**2)
    down, across = math.ceil(rows / tall), math.ceil(columns / wide)
    order = torch.rand(down, across, tall * wide, generator=generator).argsort(-1)
    # Each cell's pixels are shuffled and dealt out in hands of `share`; member k takes hand k.
    share = max(1, round(fraction * tall * wide))
    different = tall * wide // share
    held = torch.stack([order // share == member % different for member in range(members)])
    grid = held.view(members, down, across, tall, wide).transpose(2, 3)
    # Cells may reach over the border; the overhang is cut off.
    whole = grid.reshape(members, 1, down * tall, across * wide)[..., :rows, :columns]
    if len(shape) == 3:
        return whole.expand(members, *shape)
    return whole.reshape(members, *shape)
