"""What a stopping rule is, and how rules join with `|` and `&`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.registry.options import plain_name
from invprior.registry.plugin import Plugin

Watcher: TypeAlias = Callable[[Iterate], Stop | None]


class QualityWatcher(ABC):
    """A watcher that judges the estimate, so that a budget which ends the run first can ask it.

    Attributes:
        met: whether the rule has found its moment. A budget may then end the run well.
    """

    met: bool = False

    @abstractmethod
    def __call__(self, iterate: Iterate) -> Stop | None:
        """Look at an iterate; return a `Stop` to end the run."""

    def best(self) -> Tensor | None:
        """Return the best image so far, (1, C, H, W); None where there is none yet."""
        return None


class StoppingRule(ABC, metaclass=Plugin):
    """A rule that ends a run; a frozen, keyword-only dataclass.

    All state lives in the watcher that `start` returns.

    Attributes:
        budget: whether the rule only limits the cost and says nothing about quality.
    """

    plugin_group: ClassVar[str] = "stopping"
    budget: ClassVar[bool] = False

    def prepare(self, problem: Problem, generator: torch.Generator) -> Problem:
        """Return the problem that the run fits, as a hold-out rule leaves measurements out; unchanged by default.

        Args:
            problem: the problem as the user stated it.
            generator: the source of every random number.
        """
        return problem

    @abstractmethod
    def start(self, problem: Problem) -> Watcher:
        """Begin to watch a run: the callable sees every iterate and returns a `Stop` to end it.

        A watcher that remembers anything must be a dataclass with `__call__`, whose fields a checkpoint can keep:
        numbers, texts, tensors, lists and dicts of them. A plain function counts as one without memory. A watcher that
        knows the best image so far derives from `QualityWatcher`.
        """

    def __or__(self, other: StoppingRule) -> StoppingRule:
        return AnyOf((self, other))

    def __and__(self, other: StoppingRule) -> StoppingRule:
        return AllOf((self, other))


@dataclass(frozen=True)
class _Joint(StoppingRule):
    rules: tuple[StoppingRule, ...]

    def __post_init__(self) -> None:  # (a | b) | c is a | b | c
        inner = (r.rules if type(r) is type(self) else (r,) for r in self.rules)
        object.__setattr__(self, "rules", tuple(rule for rules in inner for rule in rules))

    def prepare(self, problem: Problem, generator: torch.Generator) -> Problem:
        for rule in self.rules:
            problem = rule.prepare(problem, generator)
        return problem


class AnyOf(_Joint):
    """Stops with the first of its rules.

    A budget that runs out before a rule of quality is met is not a good end.
    """

    def start(self, problem: Problem) -> Watcher:
        """Watch with every rule."""
        return _Any(self.rules, [rule.start(problem) for rule in self.rules])


class AllOf(_Joint):
    """Stops once every rule has asked to, each at its own time."""

    def start(self, problem: Problem) -> Watcher:
        """Watch with every rule, and remember which have fired."""
        return _All([rule.start(problem) for rule in self.rules])


@dataclass
class _Any:
    rules: tuple[StoppingRule, ...]
    watchers: list[Watcher]

    def __call__(self, iterate: Iterate) -> Stop | None:
        watched = list(zip(self.rules, self.watchers, strict=True))
        stops = [(rule, stop) for rule, watcher in watched if (stop := watcher(iterate))]
        open_ = [rule for rule, w in watched if not (_is_budget(rule) or _is_met(w))]
        hoped = [_name(rule) for rule in open_]
        for rule, stop in sorted(stops, key=lambda pair: _is_budget(pair[0])):
            if _is_budget(rule) and hoped:
                unmet = f"before {' or '.join(hoped)} was met"
                remedy = f"{stop.message}, {unmet}; allow more if the image matters"
                found = (w.best() for w in self.watchers if isinstance(w, QualityWatcher))
                better = next((x for x in found if x is not None), None)
                return Stop(stop.name, False, remedy, better)
            return stop
        return None


@dataclass
class _All:
    watchers: list[Watcher]
    fired: dict[int, Stop] = field(default_factory=dict)

    def __call__(self, iterate: Iterate) -> Stop | None:
        for index, watcher in enumerate(self.watchers):
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
    """List the single rules that a rule is made of."""
    if isinstance(rule, _Joint):
        return [part for inner in rule.rules for part in parts_of(inner)]
    return [rule]


def _is_met(watcher: Watcher) -> bool:
    return isinstance(watcher, QualityWatcher) and watcher.met


def _is_budget(rule: StoppingRule) -> bool:
    return all(map(_is_budget, rule.rules)) if isinstance(rule, _Joint) else rule.budget


def _name(rule: StoppingRule) -> str:
    if isinstance(rule, _Joint):
        return (" and " if isinstance(rule, AllOf) else " or ").join(map(_name, rule.rules))
    return plain_name(type(rule))
