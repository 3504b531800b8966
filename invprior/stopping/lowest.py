"""The image at the lowest value of a criterion, kept while the run continues."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from invprior.problem.solution import Iterate, Stop
from invprior.registry.options import plain_name
from invprior.stopping.base import QualityWatcher, StoppingRule

# A run continues at least this number of steps after its lowest value, however early that was.
LEAST = 75
# Steps between two reads from a GPU: the host waits for each read.
_SYNC_EVERY = 50


@dataclass
class Lowest:
    """Tracks a value that falls and then rises, and keeps the image at its lowest value.

    Everything stays on the device. On a GPU, the host checks only every 50 steps whether the run is over.

    Attributes:
        patience: how long the run continues without a new lowest value, as a fraction of the steps to the last one.
        least: the number of steps that it continues at least.
        value: the lowest value so far, a scalar on the device.
        step: the step of the lowest value, a scalar on the device.
        x: the image of that step, (1, C, H, W).
        checked: the last step at which the host read `step`.
    """

    patience: float
    least: int
    value: Tensor | None = None
    step: Tensor | None = None
    x: Tensor | None = None
    checked: int = 0

    def __call__(self, iterate: Iterate, value: Tensor) -> bool:
        """Take the value of an iterate, a scalar on the device; return whether to end. NaN is never the lowest."""
        value = value.detach()
        now = torch.full_like(value, iterate.step)
        if self.value is None or self.step is None or self.x is None:
            self.value, self.step, self.x = value.nan_to_num(torch.inf), now, iterate.x
        else:
            # `where` in place of `if`, so that the host need not wait for the device.
            better = value < self.value
            self.value = torch.where(better, value, self.value)
            self.step = torch.where(better, now, self.step)
            self.x = torch.where(better, iterate.x, self.x)
        if value.device.type != "cpu" and iterate.step - self.checked < _SYNC_EVERY:
            return False
        self.checked = iterate.step
        return iterate.step >= self.best + max(self.patience * self.best, self.least)

    @property
    def best(self) -> int:
        """The step of the lowest value, 0 before the first; reading it waits for the device."""
        return 0 if self.step is None else int(self.step)


@dataclass
class BestState:
    """The state of a run at the lowest value; on a GPU, at the first check after it.

    Attributes:
        step: the step of the copies, 0 before the first.
        mutable_state: copies of what the solver changes in place.
        members: the running averages that belong to them, (K, C, H, W); None if the solver changes nothing in place.
    """

    step: int = 0
    mutable_state: list[Tensor] = field(default_factory=list)
    members: Tensor | None = None

    @torch.no_grad()
    def follow(self, lowest: Lowest, iterate: Iterate) -> None:
        """Copy the run's state if the value has a new minimum and this step has been checked."""
        if lowest.checked < iterate.step or lowest.best <= self.step:
            return
        mutable_state = iterate.mutable_state()
        if not mutable_state:
            return
        # The list grows after the optimiser's first step, which makes the moments. After that, copying into the same
        # tensors spares allocations.
        if len(self.mutable_state) != len(mutable_state):
            self.mutable_state = [tensor.detach().clone() for tensor in mutable_state]
        for copy, tensor in zip(self.mutable_state, mutable_state, strict=True):
            copy.copy_(tensor)
        self.step, self.members = iterate.step, iterate.members


@dataclass
class LowestWatch(QualityWatcher):
    """A watcher that ends a run some time after a criterion's lowest value, with the image of that step."""

    lowest: Lowest

    def best(self) -> Tensor | None:
        """Return the image at the lowest value so far."""
        return self.lowest.x

    def look(
        self,
        iterate: Iterate,
        value: Tensor,
        rule: StoppingRule,
        what: str,
        *,
        at_limit: bool = False,
    ) -> Stop | None:
        """Take the criterion's value at an iterate; return a `Stop` to end the run, else None.

        Args:
            iterate: the iterate.
            value: a scalar on the device.
            rule: the rule, for its name.
            what: the message without the step, such as "held-out error was lowest".
            at_limit: whether the run ends here in any case.
        """
        # In this order: the value is recorded at the limit too.
        if not (self.lowest(iterate, value) or at_limit):
            return None
        message = f"{what} at step {self.lowest.best}"
        return Stop(plain_name(type(rule)), True, message, self.lowest.x)
