"""The choice of open weights: a rule's views are solved along a search over one factor on the default weights."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from invprior import registry
from invprior.builders.problem import weight_rule_from
from invprior.builders.solver import Selection, select_solver
from invprior.errors import IncompatibleError, InvpriorError, OptionError
from invprior.numerics.box import Box
from invprior.numerics.random import derived_seed
from invprior.operators.base import LocalOperator
from invprior.problem.functionals import Prior, Proximable, Term
from invprior.problem.problem import Problem, restrict
from invprior.problem.solution import DivergedError, Solution
from invprior.problem.weight_choice import WeightChoice
from invprior.registry.options import plain_name
from invprior.registry.spec import Spec
from invprior.solvers.base import Solver, State
from invprior.stopping.max_steps import MaxSteps
from invprior.tuning.brent import smallest
from invprior.weights.base import Trial, WeightRule
from invprior.weights.default import Default

WEIGHING_SIDE = 384  # pixels: of a larger image, a part of this side decides
_QUIET = 0.01  # times the noise: a change of the image, root mean square, below which a trial ends
_STEPS = 150  # at most so many in a trial
_BESIDE = 0.1  # of the default weight beside a network, a prior already: more costs detail


def choose_weights(
    problem: Problem,
    *,
    rule: str | Spec | WeightRule = "auto",
    solver: str | Spec | Solver | Selection = "auto",
    x0: Tensor | None = None,
    seed: int = 0,
    side: int = WEIGHING_SIDE,
    before: Mapping[str, Any] | None = None,
) -> Problem:
    """Give every term without a weight one that suits the measurement.

    One factor scales the default weights of all open terms; weights that were given stay. Beside a network variable
    a tenth of the defaults is taken, as each try would be a run of minutes. `solve` and `solve_problem` call this;
    `iterate` does not.

    Args:
        problem: the problem.
        rule: how to judge a weight.
        solver: what solves the trials, and the problem afterwards.
        x0: where a solver that does not converge to a minimum begins, (1, C, H, W).
        seed: of the rule's random numbers.
        side: of an image larger than that, in pixels, a central part decides, where the operator acts locally.
        before: the record of a choice that a run to be resumed was made with; it is taken when it fits.

    Returns:
        The problem with every weight filled in and `Problem.weights` telling how; the same object when no weight is
        open.

    Raises:
        InvpriorError: the rule or the solver does not fit.
    """
    made_rule = weight_rule_from(rule)
    places = _open(problem.prior)
    if not places:
        return problem
    began = time.perf_counter()
    acting, why = made_rule.choose(problem)
    name = str(registry.describe(acting))
    if problem.reparameterization is not None and not isinstance(made_rule, Default):
        network = plain_name(type(problem.reparameterization))
        why = f"{network} sets x = f(z), and each try would be a whole run"
        return _kept(problem, places, why, factor=_BESIDE)
    if before is not None and (found := _again(problem, places, before, name)) is not None:
        return found
    made = select_solver(problem, solver).solver
    part, x0, where = _part(problem, x0, side)
    generator = torch.Generator().manual_seed(derived_seed(seed, "weight"))
    trial = acting.start(part, generator)
    if trial is None:
        return _kept(problem, places, why, quiet=acting == made_rule)
    sweep = _Sweep(trial, part, places, made, x0)
    factor, at_end = smallest(sweep, slack=trial.slack)
    factors = sorted(sweep.values)
    if not any(math.isfinite(v) for v in sweep.values.values()):
        reason = sweep.fault or "no weight gave a finite value"
        return _kept(problem, places, f"{name} found none: {reason}")
    note = ""
    if at_end:
        note = (
            f"the automatic weight is at the end of the range that is tried, {factor:.3g} times the default: the "
            "measurement says little about it. Give a weight, or take another rule (--weight)"
        )
        _warn(note)
    weighted = scaled(problem.prior, places, factor)
    return replace(
        problem,
        prior=weighted,
        weights=WeightChoice(
            terms=_names(weighted, places),
            rule=name,
            why=why + where,
            criterion=acting.criterion_name,
            tried=tuple(factors),
            values=tuple(sweep.values[f] for f in factors),
            factor=_factor(weighted, places),
            note=note,
            seconds=time.perf_counter() - began,
        ),
    )


def is_tuned(problem: Problem, rule: WeightRule) -> bool:
    """Whether `choose_weights` tries weights for this problem, so that there is a curve to show."""
    acting, _ = rule.choose(problem)
    network = problem.reparameterization is not None
    return bool(_open(problem.prior)) and not network and not isinstance(acting, Default)


def scaled(prior: Prior, places: Sequence[int], factor: float) -> Prior:
    """Weigh the open terms by `factor` times their defaults, to three digits."""
    terms = list(prior.terms)
    for place in places:
        functional = terms[place].functional
        terms[place] = Term(functional, float(f"{functional.default_weight * factor:.3g}"))
    return Prior(tuple(terms))


def _factor(prior: Prior, places: Sequence[int]) -> float:
    """The factor on the first open term's default, as rounding has left it."""
    first = prior.terms[places[0]]
    return first.weight / first.functional.default_weight


def _open(prior: Prior) -> list[int]:
    """Which terms were given no weight and have one that matters."""
    return [
        place
        for place, term in enumerate(prior.terms)
        if term.given_weight is None and term.takes_weight
    ]


def _names(prior: Prior, places: Sequence[int]) -> tuple[tuple[str, float], ...]:
    terms = [prior.terms[place] for place in places]
    return tuple((registry.describe(t.functional).name, float(t.weight)) for t in terms)


def _kept(
    problem: Problem, places: Sequence[int], why: str, *, factor: float = 1.0, quiet: bool = False
) -> Problem:
    """The problem at so much of its default weights, with the reason."""
    weighted = scaled(problem.prior, places, factor)
    terms = _names(weighted, places)
    values = ", ".join(f"{name} {weight:g}" for name, weight in terms)
    what = (
        "the default weight is kept"
        if factor == 1
        else f"{factor:g} of the default weight is taken"
    )
    note = "" if quiet else f"{what} ({values}): {why}"
    if note:
        _warn(note)
        why = f"{what}: {why}"
    choice = WeightChoice(terms=terms, why=why, factor=_factor(weighted, places), note=note)
    return replace(problem, prior=weighted, weights=choice)


def _again(
    problem: Problem, places: Sequence[int], before: Mapping[str, Any], rule: str
) -> Problem | None:
    """The problem with the weights of an earlier run, when it was the same rule's choice for the same terms."""
    try:
        choice = WeightChoice.from_record(before)
    except (KeyError, TypeError, ValueError):
        return None
    names = [name for name, _ in _names(problem.prior, places)]
    if choice.rule != rule or [name for name, _ in choice.terms] != names:
        return None
    terms = list(problem.prior.terms)
    for place, (_, weight) in zip(places, choice.terms, strict=True):
        terms[place] = Term(terms[place].functional, weight)
    return replace(problem, prior=Prior(tuple(terms)), weights=choice)


def _part(problem: Problem, x0: Tensor | None, side: int) -> tuple[Problem, Tensor | None, str]:
    """The middle of a large image, as a problem of its own, and how to say so; else the whole."""
    operator = problem.operator
    if len(operator.image_shape) != 3 or max(operator.image_shape[-2:]) <= side:
        return problem, x0, ""
    alignment = operator.alignment if isinstance(operator, LocalOperator) else 1
    starts, sizes = [], []
    for size in operator.image_shape[-2:]:
        length = size if size <= side else max(side // alignment, 1) * alignment
        starts.append((size - length) // 2 // alignment * alignment)
        sizes.append(length)
    box = Box(starts[0], starts[1], sizes[0], sizes[1])
    try:
        part = restrict(problem, box)
    except InvpriorError:
        return problem, x0, ""
    text = f"; judged on the middle of the image, {sizes[0]} x {sizes[1]} pixels"
    return part, None if x0 is None else box.of(x0), text


def annotate(solution: Solution, problem: Problem) -> Solution:
    """Add to a solution how its weights were chosen."""
    weights = problem.weights
    if weights is None:
        return solution
    notes = solution.notes if not weights.note else (weights.note, *solution.notes)
    return replace(
        solution,
        notes=notes,
        weights=weights,
        tuning_seconds=weights.seconds,
        choices=(*solution.choices, weights.as_choice()),
    )


class _Sweep:
    """Solves a rule's views at one factor after the other, each from the last result where that is sound."""

    def __init__(
        self,
        trial: Trial,
        problem: Problem,
        places: Sequence[int],
        solver: Solver,
        x0: Tensor | None,
    ) -> None:
        self.trial, self.problem, self.places, self.solver = trial, problem, places, solver
        self.first = [view.initial_estimate() if x0 is None else x0 for view in trial.views]
        self.last = list(self.first)
        self.values: dict[float, float] = {}
        self.fault = ""
        functionals = [t.functional for t in problem.prior.terms if t.weight > 0]
        self.convex = all(f.convex for f in functionals if isinstance(f, Proximable))

    def __call__(self, factor: float) -> float:
        """Return the rule's criterion; infinity where a solver fails."""
        prior = scaled(self.problem.prior, self.places, factor)
        try:
            images = self._solved([replace(view, prior=prior) for view in self.trial.views])
            value = float(self.trial.criterion(replace(self.problem, prior=prior), images))
        except (IncompatibleError, DivergedError, OptionError) as error:
            self.fault, value = str(error), math.inf
        value = value if math.isfinite(value) else math.inf
        self.values[_factor(prior, self.places)] = value
        return value

    def _solved(self, views: list[Problem]) -> list[Tensor]:
        if not views:
            return []
        rule = self.solver.default_stop(views[0])
        fixed = (
            rule.steps if isinstance(rule, MaxSteps) else None
        )  # a schedule has to be run to its end
        objectives = [self.solver.route(view) for view in views]
        starts = self.last if self.convex and fixed is None else self.first
        quiet = _QUIET * self.problem.noise_level
        with torch.enable_grad():
            states: list[State] = [
                self.solver.init(o, x, torch.Generator().manual_seed(0))
                for o, x in zip(objectives, starts, strict=True)
            ]
            for _ in range(fixed or _STEPS):
                before = states[0].x
                states = [self.solver.step(o, s) for o, s in zip(objectives, states, strict=True)]
                change = float((states[0].x - before).square().mean().sqrt())
                if not math.isfinite(change):
                    raise DivergedError("the solver diverged")
                if fixed is None and change < quiet:
                    break
        images = [state.x.detach() for state in states]
        if self.convex:
            self.last = images
        return images


def _warn(text: str) -> None:
    logging.getLogger("invprior").warning("%s", text)
