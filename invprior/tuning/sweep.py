"""The trials of a search: a rule's criterion at one factor on the default weights after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from itertools import groupby
from typing import Any, Protocol

import torch
from torch import Tensor

from invprior.errors import IncompatibleError, OptionError
from invprior.problem.functionals import Prior
from invprior.problem.objective import Objective, gradients_kept
from invprior.problem.problem import Problem
from invprior.problem.solution import DivergedError
from invprior.problem.weight_choice import Handover
from invprior.solvers.base import Solver, State
from invprior.stopping.max_steps import MaxSteps
from invprior.stopping.relative_change import remaining
from invprior.weights.base import Trial
from invprior.weights.degrees_of_freedom import closed_form

# A trial ends when a step changes the image by less than this fraction of its noise (root mean square), and all further
# ones by less than ten times that; or as soon as the criterion has settled, which needs far fewer steps.
_TOLERANCE, _AHEAD = 0.01, 10.0
# The criterion has settled when its last three values, at steps ever further apart, differ by less than this fraction:
# 0.04 dB where it is an error. The search asks for no smaller gain.
_SETTLED, _FIRST_CHECK, _SPACING = 0.01, 4, 1.5
# A trial ends early, with a value that only keeps the others away, when its criterion exceeds the best one by the first
# fraction and its last change was below the second fraction of the excess, or by the third and has only grown.
_HOPELESS, _MAY_FALL, _GROWN = 0.05, 0.25, 0.1
TRIAL_STEPS = 150  # maximum number of steps of a trial


class Trials(Protocol):
    """Keeps the trials of a search, so that a search that was cut off goes on behind the last one."""

    def load(self) -> Mapping[str, Any] | None:
        """Return the state of an earlier search for the same weights, or None."""

    def keep(self, state: Mapping[str, Any]) -> None:
        """Take the state after a trial."""


class Sweep:
    """The function to minimise: the rule's criterion at a factor.

    Args:
        trial: the rule's views and its criterion.
        problem: the problem, or its middle part.
        places: the indices of the terms without a given weight.
        solver: the solver.
        x0: the initial estimate, (1, C, H, W), or None for each view's own.
        trials: keeps the trials; None to keep none.

    Attributes:
        values: the criterion by the factors tried.
        unsolved: the factors at which the solver had not converged after all steps of a trial.
        last_error: the message of the last solver that failed, or "".
    """

    def __init__(
        self,
        trial: Trial,
        problem: Problem,
        places: Sequence[int],
        solver: Solver,
        x0: Tensor | None,
        trials: Trials | None = None,
    ) -> None:
        self.trial, self.problem, self.places, self.solver = trial, problem, places, solver
        self.convex = all(t.functional.convex for t in problem.prior.terms if t.weight > 0)
        self.views, self.first = list[Problem](), list[Tensor]()
        # Side by side with one operator, in one call each: small images cost little more than one.
        for views in _groups(trial.views, solver):
            # Each from its own: from one estimate the views part slowly, and a trial that rests soon sees too few
            # degrees of freedom.
            start = torch.cat([v.initial_estimate() for v in views]) if x0 is None else x0
            self.first.append(start.expand(len(views), *start.shape[1:]))
            self.views.append(_joined(views))
        # The states at the end of the best trial so far, and its factor.
        self.ends, self.ends_at = list[State](), 1.0
        # Noise stronger than the image must not let every step count as small.
        spreads = (float(x.std(correction=0)) for joined in self.first for x in joined)
        spread = min(spreads, default=1.0)
        self.scale = min(problem.image_noise_level, spread)
        self.values: dict[float, float] = {}
        self.unsolved: set[float] = set()
        self.last_error = ""
        self.trials, self.began = trials, time.perf_counter()
        self.known: dict[float, float] = {}
        if trials is not None and (state := trials.load()) is not None:
            self._resume(state)

    @property
    def seconds(self) -> float:
        """Time spent so far."""
        return time.perf_counter() - self.began

    def __call__(self, factor: float) -> float:
        """Return the rule's criterion at a factor; infinity if a solver fails."""
        if factor not in self.known:  # a resumed search asks for the same factors again
            self.known[factor] = self._tried(factor)
            if self.trials is not None:
                self.trials.keep(self._state())
        return self.known[factor]

    def _state(self) -> dict[str, Any]:
        return {
            "known": dict(self.known),
            "values": dict(self.values),
            "unsolved": sorted(self.unsolved),
            "last_error": self.last_error,
            "ends": list(self.ends),
            "ends_at": self.ends_at,
            "seconds": self.seconds,
        }

    def _resume(self, state: Mapping[str, Any]) -> None:
        self.known, self.values = dict(state["known"]), dict(state["values"])
        self.unsolved, self.last_error = set(state["unsolved"]), state["last_error"]
        self.ends, self.ends_at = list(state["ends"]), state["ends_at"]
        self.began -= state["seconds"]

    def handover(self, factor: float) -> Handover | None:
        """Return the end of the best trial as the start of a run at a factor; None if it solved another problem."""
        views, own = self.trial.views, self.problem
        same = bool(self.ends and views) and views[0] is own
        if not same or (state := self.solver.first(self.ends[0])) is None:
            return None
        return Handover(
            operator=own.operator,
            fidelity=own.fidelity,
            y=own.y,
            state=state,
            growth=factor / self.ends_at,
        )

    def _tried(self, factor: float) -> float:
        prior = scaled(self.problem.prior, self.places, factor)
        try:
            value, converged = self._solved(replace(self.problem, prior=prior), factor)
        except (IncompatibleError, DivergedError, OptionError) as error:
            self.last_error, value, converged = str(error), math.inf, True
        value = value if math.isfinite(value) else math.inf
        tried = factor_of(prior, self.places)
        self.values[tried] = value
        if not converged:
            self.unsolved.add(tried)
        return value

    def _solved(self, weighted: Problem, factor: float) -> tuple[float, bool]:
        """Return the criterion, and whether the solver has converged; one with a schedule always has."""
        if not self.trial.views:
            return float(self.trial.criterion(weighted, [])), True
        views = [_changed(view, prior=weighted.prior) for view in self.views]
        exact = [x for view in views if (x := closed_form(view)) is not None]
        if len(exact) == len(views):
            return self._criterion(weighted, exact), True
        # A solver with a schedule, such as hqs, must run it to its end.
        rule = self.solver.default_stop(views[0])
        fixed = rule.steps if isinstance(rule, MaxSteps) else None
        objectives = [self.solver.route(view) for view in views]
        with torch.enable_grad(), gradients_kept(objectives):
            if fixed is not None:
                states = self._scheduled(objectives, fixed)
                return self._criterion(weighted, [s.x for s in states]), True
            states = self._started(objectives, factor)
            value, converged, states = self._iterated(weighted, objectives, states)
        # Kept of the best trial, near which the others lie.
        if self.convex and (not self.ends or value < self._best()):
            self.ends, self.ends_at = [self.solver.kept(s) for s in states], factor
        return value, converged

    def _best(self) -> float:
        return min(self.values.values(), default=math.inf)

    def _criterion(self, weighted: Problem, images: Sequence[Tensor]) -> float:
        each = [x for joined in images for x in joined.detach().split(1)]
        return float(self.trial.criterion(weighted, each))

    def _started(self, objectives: Sequence[Objective], factor: float) -> list[State]:
        """Return the states from which the solver starts: the ends of the best trial, at the new weights."""
        # They are a valid start only for a convex problem, whose minimum does not depend on the start.
        if self.ends:
            growth = factor / self.ends_at
            pairs = zip(objectives, self.ends, strict=True)
            return [self.solver.continued(o, end, growth, _generator()) for o, end in pairs]
        fresh = zip(objectives, self.first, strict=True)
        return [self.solver.init(o, x, _generator()) for o, x in fresh]

    def _scheduled(self, objectives: Sequence[Objective], steps: int) -> list[State]:
        """Return the states at the end of a schedule, whole: its last two steps alone lost 1.8 dB with pnp."""
        states = self._started(objectives, 1.0)
        for _ in range(steps):
            states = self._stepped(objectives, states)
        return states

    def _stepped(self, objectives: Sequence[Objective], states: Sequence[State]) -> list[State]:
        return [self.solver.step(o, s) for o, s in zip(objectives, states, strict=True)]

    def _iterated(
        self, weighted: Problem, objectives: Sequence[Objective], states: list[State]
    ) -> tuple[float, bool, list[State]]:
        """Iterate until the image rests or the criterion has settled; return it, whether so, and the states."""
        tolerance = _TOLERANCE * self.scale
        moves: list[float] = []
        values: list[float] = []
        check = _FIRST_CHECK
        # The views take the same number of steps, by the change of the first. Their differences then measure the
        # derivative of the inexact solver itself.
        for count in range(1, TRIAL_STEPS + 1):
            before = states[0].x
            states = self._stepped(objectives, states)
            moves.append(_move(states[0], before))
            if not math.isfinite(moves[-1]):
                raise DivergedError("the solver diverged")
            rests = moves[-1] < tolerance and remaining(moves, count) < _AHEAD * tolerance
            if rests and count >= _FIRST_CHECK:  # the first steps from another weight may be small
                return self._criterion(weighted, [s.x for s in states]), True, states
            if count == check:
                check = math.ceil(_SPACING * count)
                values.append(self._criterion(weighted, [s.x for s in states]))
                last = values[-3:]
                # Nor need a value be known better than the rule can tell two of them apart.
                least = max(_SETTLED * abs(last[-1]), self.trial.slack / 4)
                settled = len(last) == 3 and max(last) - min(last) <= least
                # A solver that creeps away from the best trial settles nothing.
                settled = settled and remaining(moves, count) <= sum(moves)
                if settled or self._hopeless(values):
                    return values[-1], True, states
        return self._criterion(weighted, [s.x for s in states]), False, states

    def _hopeless(self, values: Sequence[float]) -> bool:
        """Return whether a trial with these values so far will not become the best one."""
        best, grown = self._best(), len(values) > 2 and values[-3] < values[-2] < values[-1]
        excess = values[-1] - best
        if len(values) < 2 or not excess > (_GROWN if grown else _HOPELESS) * abs(best):
            return False
        return grown or abs(values[-1] - values[-2]) < _MAY_FALL * excess


def _groups(views: Sequence[Problem], solver: Solver) -> list[list[Problem]]:
    """Return the views that a solver can take together, in their order."""
    if not solver.joins:
        return [[view] for view in views]
    return [list(group) for _, group in groupby(views, lambda view: id(view.operator))]


def _joined(views: Sequence[Problem]) -> Problem:
    """Return the views of one operator as a single problem, with a measurement of (V, *measurement_shape).

    The energy is then the sum of theirs, and its minimiser holds theirs. A solver steps and balances for all alike.
    """
    return _changed(views[0], y=torch.cat([view.y for view in views]))


def _changed(problem: Problem, **fields: Any) -> Problem:
    """Return a copy with other fields, not checked: a problem is of one image to everyone else, and refuses more."""
    changed = copy(problem)
    for name, value in fields.items():
        object.__setattr__(changed, name, value)
    return changed


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _move(state: State, before: Tensor) -> float:
    """Return the root mean square of a step, or of what copies of x differ by if that is larger."""
    move = torch.linalg.vector_norm(state.x - before)
    if state.apart is not None:
        move = torch.maximum(move, state.apart)
    return float(move) / math.sqrt(before.numel())


def scaled(prior: Prior, places: Sequence[int], factor: float) -> Prior:
    """Return the prior with some weights at `factor` times their defaults, rounded to three digits.

    Args:
        prior: the prior.
        places: the indices of the terms without a given weight.
        factor: positive.
    """
    terms = list(prior.terms)
    for place in places:
        terms[place] = terms[place].at(factor)
    return Prior(tuple(terms))


def factor_of(prior: Prior, places: Sequence[int]) -> float:
    """Return the factor on the default of the first open term after rounding."""
    first = prior.terms[places[0]]
    return first.factor / first.functional.default_weight
