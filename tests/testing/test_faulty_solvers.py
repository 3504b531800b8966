"""Faulty solvers and stopping rules, each caught by the check that names its fault."""

import threading
from dataclasses import dataclass, replace
from typing import Any

import torch

from invprior.problem.objective import Objective
from invprior.problem.solution import Stop
from invprior.solvers.fista import FISTA, FISTAState
from invprior.stopping.base import StoppingRule
from tests.testing.planted import assert_caught, planted


class Kept:
    """What the solver below keeps outside its state."""

    steps = 0


@dataclass(frozen=True, kw_only=True)
class StopsShort(FISTA):
    """Its step size shrinks too fast."""

    def step(self, objective, state):
        new = super().step(objective, state)
        return replace(new, step_size=0.5 * state.step_size)


@dataclass(frozen=True, kw_only=True)
class Remembers(FISTA):
    def step(self, objective, state):
        Kept.steps += 1
        new = super().step(objective, state)
        return replace(new, x=new.x * (1 + 1e-3 * Kept.steps))


@dataclass(frozen=True, kw_only=True)
class Jitters(FISTA):
    def step(self, objective, state):
        new = super().step(objective, state)
        return replace(new, x=new.x + 1e-6 * torch.randn_like(new.x))


@dataclass(frozen=True, kw_only=True)
class InPlace(FISTA):
    def step(self, objective, state):
        new = super().step(objective, state)
        return replace(new, x=state.x.copy_(new.x))


@dataclass(frozen=True, kw_only=True)
class IgnoresProxes(FISTA):
    def step(self, objective, state):
        return super().step(replace(objective, proximal=()), state)


@dataclass(frozen=True, kw_only=True)
class TakesAnything(FISTA):
    def route(self, problem):
        terms = tuple((t.weight, t.functional) for t in problem.prior.terms)
        return Objective(problem, problem.data, (), terms)


@dataclass(frozen=True, kw_only=True)
class KeepsTheGraph(FISTA):
    def step(self, objective, state):
        new = super().step(objective, state)
        return replace(new, x=new.x * torch.ones((), requires_grad=True))


@dataclass
class LockedState(FISTAState):
    lock: Any = None


@dataclass(frozen=True, kw_only=True)
class Unkept(FISTA):
    def init(self, objective, x0, generator):
        state = super().init(objective, x0, generator)
        return LockedState(**vars(state), lock=threading.Lock())

    def step(self, objective, state):
        return LockedState(**vars(super().step(objective, state)), lock=state.lock)


@dataclass(frozen=True, kw_only=True)
class Endless(FISTA):
    def default_stop(self, problem):
        return None


class Changeable(FISTA):
    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)


@dataclass(frozen=True, kw_only=True)
class Rule(StoppingRule):
    after: int = 9

    def start(self, problem):
        return lambda iterate: Stop("rule", True, "done") if iterate.step >= self.after else None


class Counting(Rule):
    """Counts in the class, so that later runs stop too early."""

    seen = 0

    def start(self, problem):
        def watch(iterate):
            type(self).seen += 1
            return Stop("counting", True, "done") if self.seen == 12 else None

        return watch


class ForgetsInACheckpoint(Rule):
    def start(self, problem):
        seen = []

        def watch(iterate):
            seen.append(iterate.step)
            return Stop("forgets", True, "done") if len(seen) >= 12 else None

        return watch


class HappyWithNaN(Rule):
    def start(self, problem):
        return lambda iterate: (
            None if float(iterate.change) > 1e-9 else Stop("happy", True, "quiet")
        )


class Mute(Rule):
    def start(self, problem):
        return lambda iterate: Stop("", True, "")


class SaysTrue(Rule):
    def start(self, problem):
        return lambda iterate: iterate.step > 5


class DrawsGlobally(Rule):
    def prepare(self, problem, generator):
        return replace(problem, y=torch.rand_like(problem.y))


class AddsInPlace(Rule):
    def prepare(self, problem, generator):
        problem.y.add_(torch.randn(problem.y.shape, generator=generator).to(problem.y), alpha=1e-9)
        return problem


@planted(
    (StopsShort, "minimum", r"it stops short of the minimiser by \de-0\d"),
    (Remembers, "state-is-all", "something is kept outside the state"),
    (Jitters, "deterministic", r"a run uses global random state \(torch's\)"),
    (InPlace, "inputs-untouched", "in place"),
    (IgnoresProxes, "refusal", "route accepts a prior with only a prox, but no step uses it"),
    (TakesAnything, "refusal", "route accepts a prior with only a value.*, but a step raises AttributeError"),
    (KeepsTheGraph, "image", "x holds the graph of the step"),
    (Unkept, "checkpoint", "a checkpoint cannot store the state's lock, a lock"),
    (Endless, "stops", "default_stop returns a NoneType"),
    (Changeable, "frozen", "attributes can be changed after construction"),
    (Counting, "own-state", "keep what the rule remembers in the watcher"),
    (ForgetsInACheckpoint, "checkpoint", "after a checkpoint it gives other answers"),
    (HappyWithNaN, "nan-is-no-end", "it treats an image of NaN as a good end"),
    (Mute, "answers", "must have a name and a message"),
    (SaysTrue, "answers", "returns a bool, should be None or a Stop"),
    (DrawsGlobally, "problem-kept", "prepare uses global random state"),
    (AddsInPlace, "problem-kept", "changes the measurement in place"),
)  # fmt: skip
def test_is_caught(obj, name, text):
    assert_caught(obj, name, text)
