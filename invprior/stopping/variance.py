"""Stop when the network's outputs vary least."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.stopping.base import StoppingRule, Watcher
from invprior.stopping.lowest import Lowest, LowestWatch

_MOST = 2**16  # values of an image that the window keeps: a hundred images would be many


@dataclass(frozen=True, kw_only=True)
class Variance(StoppingRule):
    """Stops when the variance of the outputs over a window of steps has passed its lowest point.

    While a network learns structure its outputs settle; once it learns noise they vary again. Needs no noise level, but
    a long patience, and it is late or early where the curve has several dips. Not for convex problems.

    The window holds every output, of large images an even selection of 65,536 values. The exponential form keeps a
    mean and a variance, v <- (1 - a) (v + a ||x - m||^2) and m <- (1 - a) m + a x, in place of the window.

    Source: Wang et al., "Early Stopping for Deep Image Prior", TMLR 2023: ES-WMV and ES-EMV, with their settings.

    Args:
        form: over a window of steps, or exponential.
        window: steps in the window; the exponential form's a is its inverse.
        patience: how many steps to go on without a lower variance.
    """

    form: Literal["window", "exponential"] = "window"
    window: Annotated[int, Ge(2)] = 100
    patience: Annotated[int, Ge(1)] = 1000

    def start(self, problem: Problem) -> Watcher:
        """Take in every output."""
        lowest = Lowest(0.0, self.patience)
        return _Window(lowest, self) if self.form == "window" else _Exponential(lowest, self)


_WHAT = "the outputs varied least"


@dataclass
class _Window(LowestWatch):
    """Sums over the window, with what has to leave them."""

    rule: Variance
    kept: Tensor | None = None
    total: Tensor | None = None
    squares: Tensor | None = None

    def __call__(self, iterate: Iterate) -> Stop | None:
        window, values = self.rule.window, selection(iterate.latest.mean(0))
        if self.kept is None or self.total is None or self.squares is None:
            self.kept = values.new_zeros(window, len(values))
            self.total, self.squares = torch.zeros_like(values), torch.zeros_like(values)
        slot = self.kept[iterate.step % window]
        self.total = self.total + values - slot
        self.squares = self.squares + values.square() - slot.square()
        slot.copy_(values)
        if iterate.step < window:
            return None
        variance = (self.squares / window - (self.total / window).square()).mean()
        return self.look(iterate, variance, self.rule, _WHAT)


@dataclass
class _Exponential(LowestWatch):
    rule: Variance
    mean: Tensor | None = None
    variance: Tensor = field(default_factory=lambda: torch.zeros(()))

    def __call__(self, iterate: Iterate) -> Stop | None:
        values = selection(iterate.latest.mean(0))
        if self.mean is None:
            self.mean, self.variance = torch.zeros_like(values), values.new_zeros(())
        a = 1 / self.rule.window
        off = (values - self.mean).square().mean()
        self.variance = (1 - a) * (self.variance + a * off)
        self.mean = self.mean.lerp(values, a)
        if iterate.step < self.rule.window:
            return None
        return self.look(iterate, self.variance, self.rule, _WHAT)


def selection(image: Tensor) -> Tensor:
    """At most 65,536 values of an image, evenly spread, in double precision: the sums run over thousands of steps."""
    values = image.flatten()
    return values[:: -(-len(values) // _MOST)].double()
