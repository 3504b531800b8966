"""Checks of stopping rules."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache

import torch
from torch import Tensor

from invprior.checkpoint.decode import restore
from invprior.errors import IncompatibleError
from invprior.fidelities.gaussian import Gaussian
from invprior.networks.skip import Skip
from invprior.operators.denoise import Denoise
from invprior.priors.dip import DIP
from invprior.problem.functionals import Functional, Prior, Term
from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.runner.iteration import Iteration
from invprior.solvers.adam import Adam
from invprior.stopping.base import StoppingRule, Watcher
from invprior.testing.checkpoints import pack_or_fault
from invprior.testing.global_state import global_state_unused
from invprior.testing.report import Check, Fault, checks_for
from invprior.testing.sample_tensors import images, noise, seeded
from invprior.testing.toy_problems import SigmoidPixels

_SHAPE = (3, 16, 20)
_STEPS = 16


@cache
def _problem(prior: Functional) -> Problem:
    """Return the problem to denoise an image with a prior that Adam fits."""
    y = images(1, *_SHAPE) + 0.1 * noise(1, *_SHAPE)
    return Problem(Denoise(_SHAPE), y, Prior((Term(prior),)), Gaussian(sigma=0.1))


# One object each, so that the cache above finds their problems again.
_SIGMOID = SigmoidPixels()
_DIP = DIP(net=Skip(down=(4,), up=(4,)), members=2)


def _given(rule: StoppingRule) -> Problem:
    """Return a quick problem, or one of Deep Image Prior for a rule that accepts nothing else."""
    try:
        rule.start(rule.prepare(_copy(_problem(_SIGMOID)), seeded()))
    except IncompatibleError:
        return _copy(_problem(_DIP))
    return _copy(_problem(_SIGMOID))


def _copy(problem: Problem) -> Problem:
    # A rule that writes into y must not spoil the cached problem for the next rule.
    return replace(problem, y=problem.y.clone())


def _prepared(rule: StoppingRule) -> Problem:
    return rule.prepare(_given(rule), seeded())


def _iterates(problem: Problem) -> list[Iterate]:
    """Return the first steps of a run, on a clock of one second a step: verdicts must not depend on the machine."""
    solver = Adam().completed(problem)
    run = Iteration(solver.route(problem), solver, None, 0)
    return [replace(run.advance(), seconds=float(step + 1)) for step in range(_STEPS)]


def _answers(watch: Watcher, iterates: list[Iterate]) -> list[str | None]:
    """Return, for each iterate, the message with which it would end the run, or None."""
    found = (watch(iterate) for iterate in iterates)
    return [None if stop is None else f"{stop.name}: {stop.message}" for stop in found]


def problem_kept(rule: StoppingRule) -> None:
    """`prepare` returns a problem of the same image, decided by its generator, and leaves the given one alone."""
    given = _given(rule)
    y = given.y.clone()
    with global_state_unused("prepare"):
        first, second = (rule.prepare(given, seeded()) for _ in range(2))
    if not isinstance(first, Problem):
        raise Fault(f"prepare returns a {type(first).__name__}, should be a Problem")
    if not torch.equal(given.y, y):
        raise Fault("prepare changes the measurement in place")
    if first.operator.image_shape != given.operator.image_shape:
        raise Fault(f"prepare changes the image's shape to {first.operator.image_shape}")
    for field in fields(first):  # `SplitProblem` adds its own
        name = field.name
        ours, theirs = getattr(first, name), getattr(second, name, None)
        if isinstance(ours, Tensor) and not (
            isinstance(theirs, Tensor) and torch.equal(ours, theirs)
        ):
            raise Fault(f"prepare returns another problem for the same seed: its {name} differs")


def inputs_untouched(rule: StoppingRule) -> None:
    """A watcher changes neither the iterates nor the measurement nor the solver's state in place."""
    problem = _prepared(rule)
    iterates, y = _iterates(problem), problem.y.clone()
    given = [_tensors_of(iterate) for iterate in iterates]
    kept = [{name: [t.clone() for t in ts] for name, ts in tensors.items()} for tensors in given]
    watch = rule.start(problem)
    for iterate in iterates:
        watch(iterate)
    for tensors, copies in zip(given, kept, strict=True):
        for name, found in tensors.items():
            if not all(map(torch.equal, found, copies[name])):
                raise Fault(f"it changes the iterate's {name} in place")
    if not torch.equal(problem.y, y):
        raise Fault("it changes the measurement in place")


def _tensors_of(iterate: Iterate) -> dict[str, list[Tensor]]:
    names = ("x", "previous", "latest", "members")
    found = {name: [getattr(iterate, name)] for name in names}
    return {**found, "mutable_state": iterate.mutable_state()}


def answers(rule: StoppingRule) -> str:
    """A watcher returns None or a complete `Stop`."""
    problem = _prepared(rule)
    iterates, watch = _iterates(problem), rule.start(problem)
    text = f"it does not end the run within the {_STEPS} steps tried"
    ended = False
    for iterate in iterates:
        stop = watch(iterate)
        if stop is None:
            continue
        if not isinstance(stop, Stop):
            raise Fault(f"its watcher returns a {type(stop).__name__}, should be None or a Stop")
        _require_complete(stop, tuple(iterate.x.shape))
        if not ended:
            text, ended = f"it ends the run tried at step {iterate.step}", True
    return text


def _require_complete(stop: Stop, shape: tuple[int, ...]) -> None:
    if not (
        isinstance(stop.name, str) and stop.name and isinstance(stop.message, str) and stop.message
    ):
        raise Fault(
            f"its Stop must have a name and a message; it has {stop.name!r} and {stop.message!r}"
        )
    if not isinstance(stop.ok, bool):
        raise Fault(f"its Stop's ok is {stop.ok!r}, should be True or False")
    if stop.x is not None and (tuple(stop.x.shape) != shape or not bool(stop.x.isfinite().all())):
        raise Fault(f"its Stop's x must be a finite image {shape}; it is {tuple(stop.x.shape)}")


def own_state(rule: StoppingRule) -> None:
    """Each run has its own watcher, and the same run gets the same answers."""
    problem = _prepared(rule)
    iterates = _iterates(problem)
    with global_state_unused("a watcher"):
        first = _answers(rule.start(problem), iterates)
        second = _answers(rule.start(problem), iterates)
    if first != second:
        raise Fault(
            "a second run gets other answers than the first: keep what the rule remembers in the watcher"
        )


def checkpoint(rule: StoppingRule) -> None:
    """A checkpoint can store the watcher: restored, it gives the same answers."""
    problem = _prepared(rule)
    iterates = _iterates(problem)
    whole, half = rule.start(problem), rule.start(problem)
    expected = _answers(whole, iterates)[_STEPS // 2 :]
    _answers(half, iterates[: _STEPS // 2])
    # A run stores its watcher in the same way: a plain function counts as one without memory.
    tensors, tree = pack_or_fault({"watcher": half}, "its", stateless="watcher")
    back: Watcher = restore(tensors, tree, {"watcher": rule.start(problem)})["watcher"]
    if _answers(back, iterates[_STEPS // 2 :]) != expected:
        raise Fault(
            "after a checkpoint it gives other answers: make the watcher a dataclass, whose fields are stored"
        )


def nan_is_no_end(rule: StoppingRule) -> None:
    """An image of NaN never ends a run successfully."""
    problem = _prepared(rule)
    watch, nan = rule.start(problem), torch.tensor(torch.nan).double()
    for iterate in _iterates(problem):
        # Whatever a rule may look at is NaN.
        lost = iterate.x * nan
        latest, members = iterate.latest * nan, iterate.members * nan
        away = replace(iterate, x=lost, previous=lost, latest=latest, members=members)
        stop = watch(replace(away, known_energy=nan))
        if stop is not None and stop.ok and not _limits(rule):
            raise Fault(f"it treats an image of NaN as a good end: {stop.message}")


def _limits(rule: StoppingRule) -> bool:
    """Return whether the rule only limits the cost, whatever the image is."""
    return any(map(_limits, rule.rules)) if hasattr(rule, "rules") else rule.budget


def stopping_checks() -> tuple[Check, ...]:
    """Return the checks of every stopping rule."""
    own = (problem_kept, inputs_untouched, answers, own_state, checkpoint, nan_is_no_end)
    return checks_for(StoppingRule, *own)
