"""The image at the lowest figure of a run, kept while the run goes on."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from invprior.problem.solution import Iterate, Stop
from invprior.registry.options import plain_name
from invprior.stopping.base import QualityWatcher, StoppingRule

LEAST = 100  # steps that a run goes on without a new lowest value, however early that was
_ASK = 50  # steps between two questions to a GPU, which would wait for each


@dataclass
class Lowest:
    """Watches a figure that falls and then rises, and keeps the image of its lowest value.

    Everything stays on the device; on a GPU the host asks every 50 steps whether the run is over.

    Args:
        patience: how long the run goes on without a new lowest value, as a share of the steps that it took to the last.
        least: but at least so many steps.
    """

    patience: float
    least: int
    figure: Tensor | None = None
    step: Tensor | None = None
    x: Tensor | None = None
    asked: int = 0

    def __call__(self, iterate: Iterate, figure: Tensor) -> bool:
        """Take the figure of an iterate, a scalar on the device; say whether to end. NaN is never lowest."""
        figure = figure.detach()
        now = torch.full_like(figure, iterate.step)
        if self.figure is None or self.step is None or self.x is None:
            self.figure, self.step, self.x = figure.nan_to_num(torch.inf), now, iterate.x
        else:
            better = figure < self.figure
            self.figure = torch.where(better, figure, self.figure)
            self.step = torch.where(better, now, self.step)
            self.x = torch.where(better, iterate.x, self.x)
        if figure.device.type != "cpu" and iterate.step - self.asked < _ASK:
            return False
        self.asked = iterate.step
        return iterate.step >= self.best + max(self.patience * self.best, self.least)

    @property
    def best(self) -> int:
        """The step of the lowest figure; asks the device."""
        return 0 if self.step is None else int(self.step)


@dataclass
class Mark:
    """Where a run was at the lowest value of a figure; on a GPU within the steps between two questions of it.

    Attributes:
        step: when it was there, 0 before.
        mutable_state: copies of what the solver changes in place.
        members: the averages that go with them; None where the solver has nothing to go back by.
    """

    step: int = 0
    mutable_state: list[Tensor] = field(default_factory=list)
    members: Tensor | None = None

    @torch.no_grad()
    def follow(self, lowest: Lowest, iterate: Iterate) -> None:
        """Copy the run's state if the figure has a new lowest value and the device has been asked."""
        if lowest.asked < iterate.step or lowest.best <= self.step:
            return
        mutable_state = iterate.mutable_state()
        if not mutable_state:
            return
        if len(self.mutable_state) != len(mutable_state):
            self.mutable_state = [tensor.detach().clone() for tensor in mutable_state]
        for copy, tensor in zip(self.mutable_state, mutable_state, strict=True):
            copy.copy_(tensor)
        self.step, self.members = iterate.step, iterate.members


@dataclass
class LowestWatch(QualityWatcher):
    """A watcher that ends a run some time after the lowest value of a figure, with the image of that value."""

    lowest: Lowest

    def best(self) -> Tensor | None:
        """The image at the lowest value so far."""
        return self.lowest.x

    def look(
        self, iterate: Iterate, figure: Tensor, rule: StoppingRule, what: str, *, due: bool = False
    ) -> Stop | None:
        """Take an iterate's figure; `what` says what was so at its lowest value, `due` ends the run in any case."""
        if not (self.lowest(iterate, figure) or due):
            return None
        message = f"{what} at step {self.lowest.best}"
        return Stop(plain_name(type(rule)), True, message, self.lowest.x)
