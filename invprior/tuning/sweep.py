"""The trials of a search: a rule's criterion at one factor on the default weights after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from invprior.errors import IncompatibleError, OptionError
from invprior.problem.functionals import Prior, Proximable
from invprior.problem.objective import gradients_kept
from invprior.problem.problem import Problem
from invprior.problem.solution import DivergedError
from invprior.solvers.base import Solver, State
from invprior.stopping.max_steps import MaxSteps
from invprior.stopping.relative_change import remaining
from invprior.weights.base import Trial

# A trial ends when a step changes the image by less than this fraction of its noise (root mean square), and all further
# ones by less than ten times that.
_TOLERANCE, _AHEAD = 0.01, 10.0
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
        self.first = [view.initial_estimate() if x0 is None else x0 for view in trial.views]
        self.last = list(self.first)
        # Noise stronger than the image must not let every step count as small.
        spread = min((float(x.std(correction=0)) for x in self.first), default=1.0)
        self.scale = min(problem.image_noise_level, spread)
        self.values: dict[float, float] = {}
        self.unsolved: set[float] = set()
        self.last_error = ""
        functionals = [t.functional for t in problem.prior.terms if t.weight > 0]
        self.convex = all(f.convex for f in functionals if isinstance(f, Proximable))
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
            "last": list(self.last),
            "seconds": self.seconds,
        }

    def _resume(self, state: Mapping[str, Any]) -> None:
        self.known, self.values = dict(state["known"]), dict(state["values"])
        self.unsolved, self.last_error = set(state["unsolved"]), state["last_error"]
        self.last = list(state["last"])
        self.began -= state["seconds"]

    def _tried(self, factor: float) -> float:
        prior = scaled(self.problem.prior, self.places, factor)
        try:
            views = [replace(view, prior=prior) for view in self.trial.views]
            images, converged = self._solved(views)
            value = float(self.trial.criterion(replace(self.problem, prior=prior), images))
        except (IncompatibleError, DivergedError, OptionError) as error:
            self.last_error, value, converged = str(error), math.inf, True
        value = value if math.isfinite(value) else math.inf
        tried = factor_of(prior, self.places)
        self.values[tried] = value
        if not converged:
            self.unsolved.add(tried)
        return value

    def _solved(self, views: list[Problem]) -> tuple[list[Tensor], bool]:
        """Return the restorations, and whether the solver has converged; one with a schedule always has."""
        if not views:
            return [], True
        # A solver with a schedule, such as hqs, must run it to its end.
        rule = self.solver.default_stop(views[0])
        fixed = rule.steps if isinstance(rule, MaxSteps) else None
        objectives = [self.solver.route(view) for view in views]
        # The last result is a valid start only for a convex problem, whose minimum does not depend on the start.
        starts = self.last if self.convex and fixed is None else self.first
        tolerance = _TOLERANCE * self.scale
        moves: list[float] = []
        converged = fixed is not None
        with torch.enable_grad(), gradients_kept(objectives):
            states: list[State] = [
                self.solver.init(o, x, torch.Generator().manual_seed(0))
                for o, x in zip(objectives, starts, strict=True)
            ]
            # The views take the same number of steps, by the change of the first. Their differences then measure the
            # derivative of the inexact solver itself.
            for _ in range(fixed or TRIAL_STEPS):
                before = states[0].x
                states = [self.solver.step(o, s) for o, s in zip(objectives, states, strict=True)]
                moves.append(_move(states[0], before))
                if not math.isfinite(moves[-1]):
                    raise DivergedError("the solver diverged")
                ahead = remaining(moves, len(moves))
                if fixed is None and moves[-1] < tolerance and ahead < _AHEAD * tolerance:
                    converged = True
                    break
        images = [state.x.detach() for state in states]
        if self.convex:
            self.last = images
        return images, converged


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
