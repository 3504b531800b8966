"""What is seen of a run while it goes on: its curve, and how far it is. The time that takes is told apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from torch import Tensor

from invprior.problem.solution import Iterate

Score: TypeAlias = Callable[[Tensor], Mapping[str, float]]
Tell: TypeAlias = Callable[[int, float], None]
_GROWTH = 1.15  # of the step from one point of the curve to the next: even on a logarithmic axis
_PERIOD = 0.5  # seconds between two messages


class Look:
    """A callback that scores the estimate at ever wider steps.

    Args:
        score: the metrics of x.
        tell: called with step and seconds now and then.

    Attributes:
        spent: seconds that scoring and telling took, to be taken off the run's clock.
    """

    def __init__(self, score: Score, tell: Tell) -> None:
        self.score, self.tell = score, tell
        self.spent, self.told = 0.0, 0.0
        self.before = 0  # steps and seconds of earlier runs, where a method has several
        self.before_seconds = 0.0
        self.last: Iterate | None = None
        self.next = 1
        self.kept: list[Mapping[str, float]] = []

    def __call__(self, now: Iterate) -> None:
        """Score the iterate when its turn has come."""
        began = time.perf_counter()
        if self.last is not None and now.step <= self.last.step:
            self.before += self.last.step
            self.before_seconds += self.last.seconds
        self.last = now
        if not self.before and now.step >= self.next:
            self._keep(now)
            self.next = max(now.step + 1, int(now.step * _GROWTH))
        if began - self.told > _PERIOD:
            self.told = began
            self.tell(self.before + now.step, self.before_seconds + now.seconds)
        self.spent += time.perf_counter() - began

    @property
    def curve(self) -> tuple[Mapping[str, float], ...]:
        """Rows of step, seconds and the metrics, of the first run, its last step at the end."""
        if self.last is not None and not self.before and self.kept[-1]["step"] != self.last.step:
            began = time.perf_counter()
            self._keep(self.last)
            self.spent += time.perf_counter() - began
        return tuple(self.kept)

    def _keep(self, now: Iterate) -> None:
        seconds = now.seconds - self.spent
        self.kept.append({"step": now.step, "seconds": seconds, **self.score(now.x)})
