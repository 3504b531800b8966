"""The choice of weights that were not given: a search over one factor on the default weights."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from invprior import registry
from invprior.builders.problem import weight_rule_from
from invprior.builders.solver import Selection, select_solver
from invprior.errors import InvpriorError
from invprior.numerics.box import Box
from invprior.numerics.random import derived_seed
from invprior.problem.functionals import Prior
from invprior.problem.problem import Problem
from invprior.problem.restriction import alignment_of, restrict
from invprior.problem.solution import Solution
from invprior.problem.weight_choice import WeightChoice
from invprior.registry.options import plain_name
from invprior.registry.spec import Spec
from invprior.solvers.base import Solver
from invprior.tuning.brent import smallest
from invprior.tuning.sweep import TRIAL_STEPS, Sweep, Trials, factor_of, scaled
from invprior.weights.base import WeightRule
from invprior.weights.default import Default

# Side in pixels of the middle part that decides for a larger image.
WEIGHING_SIDE = 384
# Fraction of the default weight beside a network, which is a prior already. Larger weights cost detail: dip with a term
# at its full default lost up to 5 dB where it denoises.
_BESIDE_NETWORK = 0.1


@torch.inference_mode(False)  # the caller's mode would forbid gradients
def choose_weights(
    problem: Problem,
    *,
    rule: str | Spec | WeightRule = "auto",
    solver: str | Spec | Solver | Selection = "auto",
    x0: Tensor | None = None,
    seed: int = 0,
    side: int = WEIGHING_SIDE,
    before: Mapping[str, Any] | None = None,
    trials: Trials | None = None,
) -> Problem:
    """Return the problem with a weight for every term that was given none, chosen from the measurement.

    One factor scales the default weights of all these terms; weights that were given stay. Beside a network variable a
    tenth of the defaults is used, because each trial would take minutes. `solve` and `solve_problem` call this;
    `iterate` does not.

    Args:
        problem: the problem.
        rule: the rule that compares weights.
        solver: the solver of the trials, and of the problem afterwards.
        x0: initial estimate of solvers that do not converge to a minimum, (1, C, H, W).
        seed: seed of the rule's random numbers.
        side: side in pixels; a larger image is replaced by its middle part of this side if the operator acts locally.
        before: the record of the choice in a run to be resumed; it is used if it fits.
        trials: keeps the trials of the search, so that it can be resumed.

    Returns:
        The problem with every weight filled in and the choice in `Problem.weights`. It is the same object if every
        weight was given.

    Raises:
        InvpriorError: the rule or the solver does not fit.
    """
    made_rule = weight_rule_from(rule)
    places = _open(problem.prior)
    if not places:
        return problem
    inner = problem.standardised
    if inner is not problem:
        found = choose_weights(
            inner,
            rule=made_rule,
            solver=solver,
            x0=None if x0 is None else inner.units.inward(x0),
            seed=seed,
            side=side,
            before=before,
            trials=trials,
        )
        # The user's functionals, as those of the run are in its units. The estimated range too, so that it is not
        # estimated again.
        pairs = zip(problem.prior.terms, found.prior.terms, strict=True)
        terms = (replace(own, given_weight=t.given_weight) for own, t in pairs)
        return replace(
            problem,
            prior=Prior(tuple(terms)),
            weights=found.weights,
            data_range=found.data_range,
        )
    acting, why = made_rule.choose(problem)
    name = str(registry.describe(acting))
    if problem.reparameterization is not None and not isinstance(made_rule, Default):
        network = plain_name(type(problem.reparameterization))
        why = f"{network} sets x = f(z), so each trial would be a whole run"
        return _with_defaults(problem, places, why, factor=_BESIDE_NETWORK)
    # A resumed run keeps the weight that it started with.
    if before is not None and (resumed := _resumed(problem, places, before, name)) is not None:
        return resumed
    # Selected on the whole problem, so that the trials and the run use one solver.
    selected = select_solver(problem, solver).solver
    part, x0, where = _middle_part(_with_stand_ins(problem, places), x0, side)
    # A stream of its own: the noise of the measurement may have been drawn from the same seed.
    generator = torch.Generator().manual_seed(derived_seed(seed, "weight"))
    trial = acting.start(part, generator)
    if trial is None:
        # Defaults that the user requested need no note; those that `auto` fell back to do.
        return _with_defaults(problem, places, why, silent=acting == made_rule)
    sweep = Sweep(trial, part, places, selected, x0, trials)
    factor, at_end = smallest(sweep, slack=trial.slack)
    factors = sorted(sweep.values)
    if not any(math.isfinite(v) for v in sweep.values.values()):
        reason = sweep.last_error or "no weight gave a finite value"
        return _with_defaults(problem, places, f"{name} found no weight: {reason}")
    weighted = scaled(problem.prior, places, factor)
    chosen = factor_of(weighted, places)
    note = ""
    if at_end:
        note = (
            f"the automatic weight is at the end of the search range, {factor:.3g} times the default, so the "
            "measurement says little about it. Give a weight, or use another rule (--weight)"
        )
    elif chosen in sweep.unsolved:
        note = (
            f"the automatic weight rests on a trial that {plain_name(type(selected))} did not solve in {TRIAL_STEPS} "
            "steps, so it may be off. Use another solver (--solver), or give a weight"
        )
    if note:
        _warn(note)
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
            factor=chosen,
            note=note,
            seconds=sweep.seconds,
            # A given initial estimate stays the start of the run.
            handover=sweep.handover(factor) if x0 is None else None,
        ),
    )


def is_tuned(problem: Problem, rule: WeightRule) -> bool:
    """Return whether `choose_weights` searches for this problem, so that there is a curve to plot."""
    acting, _ = rule.choose(problem)
    network = problem.reparameterization is not None
    return bool(_open(problem.prior)) and not network and not isinstance(acting, Default)


def _open(prior: Prior) -> list[int]:
    """Return the indices of the terms that were given no weight and have one that matters."""
    return [
        place
        for place, term in enumerate(prior.terms)
        if term.given_weight is None and term.takes_weight
    ]


def _names(prior: Prior, places: Sequence[int]) -> tuple[tuple[str, float], ...]:
    terms = [prior.terms[place] for place in places]
    return tuple((registry.describe(t.functional).name, float(t.weight)) for t in terms)


def _with_defaults(
    problem: Problem, places: Sequence[int], why: str, *, factor: float = 1.0, silent: bool = False
) -> Problem:
    """Return the problem at a fraction of its default weights, with the reason and, unless silent, a warning."""
    weighted = scaled(problem.prior, places, factor)
    terms = _names(weighted, places)
    values = ", ".join(f"{name} {weight:g}" for name, weight in terms)
    what = (
        "the default weight is kept" if factor == 1 else f"{factor:g} of the default weight is used"
    )
    note = "" if silent else f"{what} ({values}): {why}"
    if note:
        _warn(note)
        why = f"{what}: {why}"
    choice = WeightChoice(terms=terms, why=why, factor=factor_of(weighted, places), note=note)
    return replace(problem, prior=weighted, weights=choice)


def _resumed(
    problem: Problem, places: Sequence[int], before: Mapping[str, Any], rule: str
) -> Problem | None:
    """Return the problem with the weights of an earlier run if its rule and its terms are the same, else None."""
    try:
        choice = WeightChoice.from_record(before)
    except (KeyError, TypeError, ValueError):  # not the record of a choice
        return None
    names = [name for name, _ in _names(problem.prior, places)]
    if choice.rule != rule or [name for name, _ in choice.terms] != names:
        return None
    terms = list(problem.prior.terms)
    for place, (_, weight) in zip(places, choice.terms, strict=True):
        terms[place] = replace(terms[place], given_weight=weight)
    return replace(problem, prior=Prior(tuple(terms)), weights=choice)


def _with_stand_ins(problem: Problem, places: Sequence[int]) -> Problem:
    """Return the problem of the trials, with priors that are faster and want the same weights."""
    terms = list(problem.prior.terms)
    for place in places:
        terms[place] = replace(terms[place], functional=terms[place].functional.stand_in)
    if all(
        new.functional is old.functional
        for new, old in zip(terms, problem.prior.terms, strict=True)
    ):
        return problem
    return replace(problem, prior=Prior(tuple(terms)))


def _middle_part(
    problem: Problem, x0: Tensor | None, side: int
) -> tuple[Problem, Tensor | None, str]:
    """Return the problem on the middle of a large image, x0 there and a text for the reason; else the whole problem."""
    operator = problem.operator
    if len(operator.image_shape) != 3 or max(operator.image_shape[-2:]) <= side:
        return problem, x0, ""
    alignment = alignment_of(problem)
    starts, sizes = [], []
    # The box begins and ends at multiples of the alignment, as `restrict` requires.
    for size in operator.image_shape[-2:]:
        length = size if size <= side else max(side // alignment, 1) * alignment
        starts.append((size - length) // 2 // alignment * alignment)
        sizes.append(length)
    box = Box(starts[0], starts[1], sizes[0], sizes[1])
    # An operator that does not act locally cannot be restricted; the whole image then decides.
    try:
        part = restrict(problem, box)
    except InvpriorError:
        return problem, x0, ""
    text = f"; evaluated on the middle of the image, {sizes[0]} x {sizes[1]} pixels"
    return part, None if x0 is None else box.of(x0), text


def annotate(solution: Solution, problem: Problem) -> Solution:
    """Return the solution with the choice of its weights, its note and its time."""
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


def _warn(text: str) -> None:
    logging.getLogger("invprior").warning("%s", text)
