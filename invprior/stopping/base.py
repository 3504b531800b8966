"""The interface of a stopping rule, and the joining of rules with `|` and `&`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.registry.options import plain_name
from invprior.registry.plugin import Plugin

Watcher: TypeAlias = Callable[[Iterate], Stop | None]


class QualityWatcher(ABC):
    """A watcher that judges the estimate and knows the best one so far.

    A budget that ends the run first returns that estimate.

    Attributes:
        met: whether the rule has found its step. A budget that ends the run afterwards is then a good end.
    """

    met: bool = False

    @abstractmethod
    def __call__(self, iterate: Iterate) -> Stop | None:
        """Take an iterate; return a `Stop` to end the run, else None."""

    def best(self) -> Tensor | None:
        """Return the best image so far, (1, C, H, W); None if there is none yet."""
        return None


class StoppingRule(ABC, metaclass=Plugin):
    """A rule that ends a run; a frozen, keyword-only dataclass.

    All state is in the watcher that `start` returns.

    Attributes:
        budget: whether the rule only limits the cost, without regard to quality.
    """

    plugin_group: ClassVar[str] = "stopping"
    budget: ClassVar[bool] = False

    def prepare(self, problem: Problem, generator: torch.Generator) -> Problem:
        """Return the problem that the run fits; unchanged by default.

        A hold-out rule, for example, returns a problem without some of the measurements.

        Args:
            problem: the user's problem.
            generator: the source of every random number.
        """
        return problem

    def within(self, steps: int) -> StoppingRule:
        """Return the rule for a run of at most `steps` iterations; unchanged by default.

        A rule that plans ahead, such as hold-out with its refit, takes the limit into account. The limit itself is
        joined by `limited`.
        """
        return self

    @abstractmethod
    def start(self, problem: Problem) -> Watcher:
        """Return a watcher: a callable that takes every iterate and returns a `Stop` to end the run.

        A watcher with memory must be a dataclass with `__call__`. Its fields must be what a checkpoint can store:
        numbers, strings, tensors, and lists and dicts of them. A plain function counts as a watcher without memory. A
        watcher that knows the best image so far derives from `QualityWatcher`.

        Args:
            problem: the problem that `prepare` returned.
        """

    def __or__(self, other: StoppingRule) -> StoppingRule:
        return AnyOf((self, other))

    def __and__(self, other: StoppingRule) -> StoppingRule:
        return AllOf((self, other))


@dataclass(frozen=True)
class _Joint(StoppingRule):
    rules: tuple[StoppingRule, ...]

    def __post_init__(self) -> None:
        # Flatten: (a | b) | c is a | b | c.
        inner = (r.rules if type(r) is type(self) else (r,) for r in self.rules)
        object.__setattr__(self, "rules", tuple(rule for rules in inner for rule in rules))

    def prepare(self, problem: Problem, generator: torch.Generator) -> Problem:
        for rule in self.rules:
            problem = rule.prepare(problem, generator)
        return problem

    def within(self, steps: int) -> StoppingRule:
        return replace(self, rules=tuple(rule.within(steps) for rule in self.rules))


class AnyOf(_Joint):
    """Stops when any of its rules is met.

    A budget that is spent before a rule of quality is met makes a run that did not end well.
    """

    def start(self, problem: Problem) -> Watcher:
        """Return a watcher that asks every rule."""
        return _Any(self.rules, [rule.start(problem) for rule in self.rules])


class AllOf(_Joint):
    """Stops once every rule has been met, each at its own step."""

    def start(self, problem: Problem) -> Watcher:
        """Return a watcher that remembers which rules have been met."""
        return _All([rule.start(problem) for rule in self.rules])


@dataclass
class _Any:
    rules: tuple[StoppingRule, ...]
    watchers: list[Watcher]

    def __call__(self, iterate: Iterate) -> Stop | None:
        watched = list(zip(self.rules, self.watchers, strict=True))
        # Every watcher must see every iterate, so none is skipped after the first stop.
        stops = [(rule, stop) for rule, watcher in watched if (stop := watcher(iterate))]
        unmet = [_name(rule) for rule, w in watched if not (_is_budget(rule) or _is_met(w))]
        # Rules of quality before budgets: when both stop at one step, the end is good.
        for rule, stop in sorted(stops, key=lambda pair: _is_budget(pair[0])):
            if _is_budget(rule) and unmet:
                message = (
                    f"{stop.message}, before {' or '.join(unmet)} was met; "
                    "raise the limit if quality matters"
                )
                candidates = (w.best() for w in self.watchers if isinstance(w, QualityWatcher))
                best = next((x for x in candidates if x is not None), None)
                return Stop(stop.name, False, message, best)
            return stop
        return None


@dataclass
class _All:
    watchers: list[Watcher]
    fired: dict[int, Stop] = field(default_factory=dict)

    def __call__(self, iterate: Iterate) -> Stop | None:
        for index, watcher in enumerate(self.watchers):
            # A rule that has been met is not asked again: its condition may fail later.
            if index not in self.fired and (stop := watcher(iterate)):
                self.fired[index] = stop
        if len(self.fired) < len(self.watchers):
            return None
        stops = [self.fired[i] for i in sorted(self.fired)]
        message = " and ".join(stop.message for stop in stops)
        better = next((s.x for s in stops if s.x is not None), None)
        names = " & ".join(s.name for s in stops)
        return Stop(names, all(s.ok for s in stops), message, better)


def parts_of(rule: StoppingRule) -> list[StoppingRule]:
    """Return the single rules that a rule is joined from; itself if it is single."""
    if isinstance(rule, _Joint):
        return [part for inner in rule.rules for part in parts_of(inner)]
    return [rule]


def _is_met(watcher: Watcher) -> bool:
    return isinstance(watcher, QualityWatcher) and watcher.met


def _is_budget(rule: StoppingRule) -> bool:
    # A joined rule is a budget only if all of its parts are.
    return all(map(_is_budget, rule.rules)) if isinstance(rule, _Joint) else rule.budget


def _name(rule: StoppingRule) -> str:
    if isinstance(rule, _Joint):
        return (" and " if isinstance(rule, AllOf) else " or ").join(map(_name, rule.rules))
    return plain_name(type(rule))
