"""Stop when the variance of the network's outputs is lowest."""

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

# Values of an image that the window keeps; a hundred whole images would take much memory.
_MAX_VALUES = 2**16


@dataclass(frozen=True, kw_only=True)
class Variance(StoppingRule):
    """Stops when the variance of the outputs over a window of steps has passed its minimum.

    While a network learns structure, its outputs settle; once it learns noise, they vary again. The rule needs no noise
    level but a long patience. It is late or early if the curve has several minima. Not for convex problems.

    The window holds every output; of large images, an even selection of 65,536 values. The exponential form replaces
    the window by a mean and a variance, v <- (1 - a) (v + a ||x - m||^2) and m <- (1 - a) m + a x.

    Source: Wang et al., "Early Stopping for Deep Image Prior", TMLR 2023: ES-WMV and ES-EMV, with their settings.

    Args:
        form: a window of steps, or exponential averages.
        window: number of steps in the window; the exponential form has a = 1 / window.
        patience: number of steps to continue without a lower variance.
    """

    form: Literal["window", "exponential"] = "window"
    # The source's settings.
    window: Annotated[int, Ge(2)] = 100
    patience: Annotated[int, Ge(1)] = 1000

    def start(self, problem: Problem) -> Watcher:
        """Return a watcher of the variance of the outputs."""
        lowest = Lowest(0.0, self.patience)
        return _Window(lowest, self) if self.form == "window" else _Exponential(lowest, self)


_WHAT = "the variance of the outputs was lowest"


@dataclass
class _Window(LowestWatch):
    """The window's sums.

    Attributes:
        rule: the rule.
        kept: the values in the window, (window, N), a ring buffer.
        total: their sum, (N,).
        squares: the sum of their squares, (N,).
    """

    rule: Variance
    kept: Tensor | None = None
    total: Tensor | None = None
    squares: Tensor | None = None

    def __call__(self, iterate: Iterate) -> Stop | None:
        window, values = self.rule.window, selection(iterate.latest.mean(0))
        if self.kept is None or self.total is None or self.squares is None:
            self.kept = values.new_zeros(window, len(values))
            self.total, self.squares = torch.zeros_like(values), torch.zeros_like(values)
        # The sums are updated by what enters and what leaves: one pass over the values per step, not one per window.
        slot = self.kept[iterate.step % window]
        self.total = self.total + values - slot
        self.squares = self.squares + values.square() - slot.square()
        slot.copy_(values)
        # The window is not full before.
        if iterate.step < window:
            return None
        variance = (self.squares / window - (self.total / window).square()).mean()
        return self.look(iterate, variance, self.rule, _WHAT)


@dataclass
class _Exponential(LowestWatch):
    """The exponential averages.

    Attributes:
        rule: the rule.
        mean: m, (N,).
        variance: v, a scalar on the device.
    """

    rule: Variance
    mean: Tensor | None = None
    variance: Tensor = field(default_factory=lambda: torch.zeros(()))

    def __call__(self, iterate: Iterate) -> Stop | None:
        values = selection(iterate.latest.mean(0))
        if self.mean is None:
            self.mean, self.variance = torch.zeros_like(values), values.new_zeros(())
        a = 1 / self.rule.window
        distance = (values - self.mean).square().mean()
        # Before the mean is updated, which the recursion assumes.
        self.variance = (1 - a) * (self.variance + a * distance)
        self.mean = self.mean.lerp(values, a)
        if iterate.step < self.rule.window:
            return None
        return self.look(iterate, self.variance, self.rule, _WHAT)


def selection(image: Tensor) -> Tensor:
    """Return at most 65,536 evenly spread values of an image, (N,), in double precision.

    Rounding errors of the running sums add up over thousands of steps.
    """
    values = image.flatten()
    return values[:: -(-len(values) // _MAX_VALUES)].double()
