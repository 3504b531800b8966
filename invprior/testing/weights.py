"""Checks of weight rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.fidelities.base import QuadraticFidelity
from invprior.fidelities.gaussian import Gaussian
from invprior.operators.denoise import Denoise
from invprior.operators.inpaint import Inpaint
from invprior.priors.tikhonov import Tikhonov
from invprior.problem.functionals import Prior, Term
from invprior.problem.problem import Problem
from invprior.problem.units import PHOTOGRAPH
from invprior.testing.global_state import global_state_unused
from invprior.testing.report import Check, Fault, Skip, checks_for
from invprior.testing.sample_tensors import noise, seeded
from invprior.weights.base import Trial, WeightRule

_SHAPE = (1, 15, 14)  # 210 pixels: each trial is the solution of a small dense system
_FACTORS = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)  # on the default weight
_REGRET = 2.0  # largest error at the chosen weight, in units of the least one


def _problems() -> Sequence[Problem]:
    """Return the problems tried: denoising, and one with missing pixels for rules that need those."""
    found = []
    for operator in (Denoise(_SHAPE), Inpaint(_SHAPE, keep=0.7).double()):
        y = operator(_truth() + 0.1 * noise(1, *_SHAPE, seed=4))
        prior = Prior((Term(Tikhonov()),))
        found.append(Problem(operator, y, prior, Gaussian(sigma=0.1), data_range=PHOTOGRAPH))
    return found


def _truth() -> Tensor:
    """Return a smooth image, (1, C, H, W), which the prior suits."""
    rows, columns = (torch.linspace(0, 3, n, dtype=torch.float64) for n in _SHAPE[-2:])
    return (0.5 + 0.3 * rows.sin()[:, None] * (1.5 * columns).cos())[None, None]


def _started(rule: WeightRule) -> tuple[Problem, Trial]:
    """Return the first problem that the rule accepts, and its trial.

    Raises:
        Skip: it accepts none, or keeps the default weights.
        Fault: it returns no trial.
    """
    reason = ""
    for problem in _problems():
        try:
            trial = rule.start(problem, seeded())
        except IncompatibleError as error:
            reason = str(error)
            continue
        if trial is None:
            raise Skip("it keeps the default weights")
        if not isinstance(trial, Trial):
            raise Fault(f"start returns a {type(trial).__name__}, should be a Trial or None")
        return problem, trial
    raise Skip(f"it accepts none of the small problems: {reason}")


def _at(problem: Problem, factor: float) -> Problem:
    (term,) = problem.prior.terms
    return replace(problem, prior=Prior((term.at(factor),)))


def _restored(view: Problem, factor: float) -> Tensor:
    """Return the minimiser for a view, by a dense system.

    Raises:
        Skip: the view is not linear with Gaussian noise.
    """
    if not isinstance(view.fidelity, QuadraticFidelity):
        raise Skip(
            f"its view's fidelity is {type(view.fidelity).__name__}, should be Gaussian here"
        )
    (term,) = _at(view, factor).prior.terms
    n = math.prod(_SHAPE)
    pixels = torch.eye(n, dtype=torch.float64).view(n, *_SHAPE)
    with torch.no_grad():
        a = view.operator(pixels).flatten(1).T
        assert isinstance(term.functional, Tikhonov)
        smooth = term.functional.gradient(pixels).flatten(1).T  # of a quadratic: its matrix
    precision = view.fidelity.precision
    system = precision * a.T @ a + term.factor * smooth
    found: Tensor = torch.linalg.solve(system, precision * a.T @ view.y.flatten())
    return found.view(1, *_SHAPE)


def _values(
    problem: Problem, trial: Trial, factors: Sequence[float] = (0.1, 1.0, 10.0)
) -> dict[float, float]:
    """Return the criterion at each factor.

    Raises:
        Fault: it is no number, or changes a restoration.
    """
    values = {}
    for factor in factors:
        found = [_restored(view, factor) for view in trial.views]
        given = [x.clone() for x in found]
        with global_state_unused("the criterion"):
            value = trial.criterion(_at(problem, factor), found)
        if not isinstance(value, float):
            raise Fault(f"the criterion is a {type(value).__name__}, should be a float")
        if not all(map(torch.equal, found, given)):
            raise Fault("the criterion changes a restoration in place")
        values[factor] = value
    return values


def problem_kept(rule: WeightRule) -> None:
    """`start` leaves the problem alone, and the generator alone decides what is random in the trial."""
    problem, _ = _started(rule)
    y = problem.y.clone()
    with global_state_unused("start"):
        first, second = (rule.start(problem, seeded()) for _ in range(2))
    if not torch.equal(problem.y, y):
        raise Fault("start changes the measurement in place")
    assert first is not None
    assert second is not None
    for one, other in zip(first.views, second.views, strict=True):
        if one.operator.image_shape != problem.operator.image_shape:
            raise Fault(f"a view's image is {one.operator.image_shape}, should be {_SHAPE}")
        if not torch.equal(one.y, other.y):
            raise Fault("start gives another view for the same seed")
    if _values(problem, first) != _values(problem, second):
        raise Fault("the criterion differs for the same seed")
    if not torch.equal(problem.y, y):
        raise Fault("the criterion changes the measurement in place")


def criterion(rule: WeightRule) -> None:
    """The criterion depends on the restorations alone, and NaN never counts as the best."""
    problem, trial = _started(rule)
    values = _values(problem, trial)
    if _values(problem, trial) != values:
        raise Fault("the criterion gives another value when it is called again: it keeps state")
    if not any(map(math.isfinite, values.values())):
        raise Fault("the criterion is finite at no weight")
    if not 0 <= trial.slack < math.inf:
        raise Fault(f"slack is {trial.slack!r}, should be a finite number >= 0")
    if trial.views:
        lost = [torch.full((1, *_SHAPE), torch.nan, dtype=torch.float64) for _ in trial.views]
        value = float(trial.criterion(_at(problem, 1.0), lost))
        if value <= min(v for v in values.values() if not math.isnan(v)):
            raise Fault(f"the criterion of an image of NaN is {value:.3g}, the best of all")


def chooses(rule: WeightRule) -> str:
    """The weight that it chooses restores a smooth image about as well as the best one."""
    problem, trial = _started(rule)
    values = _values(problem, trial, _FACTORS)
    finite = {factor: value for factor, value in values.items() if math.isfinite(value)}
    if not finite:
        raise Fault("the criterion is finite at no weight")
    errors = {f: float((_restored(problem, f) - _truth()).norm()) for f in _FACTORS}
    least = min(finite.values())
    # As the search does: of those that differ by less than the slack, the nearest to the default.
    chosen = min((f for f in finite if finite[f] <= least + trial.slack), key=_far)
    regret = errors[chosen] / min(errors.values())
    best = min(errors, key=errors.__getitem__)
    text = f"it takes {chosen:g} times the default, with {regret:.2f} times the least error (at {best:g})"
    if regret > _REGRET:
        if max(finite, key=finite.__getitem__) == best:
            text += "; the criterion is largest where it should be least: is its sign wrong?"
        raise Fault(text)
    return text


def _far(factor: float) -> float:
    return abs(math.log(factor))


def weight_checks() -> tuple[Check, ...]:
    """Return the checks of every weight rule."""
    own: tuple[Callable[[WeightRule], str | None], ...] = (problem_kept, criterion, chooses)
    return checks_for(WeightRule, *own)
