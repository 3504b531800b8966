"""The quality of a run over its steps, recorded while it goes on; the time spent on this is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from torch import Tensor

from invprior.problem.solution import Iterate

Score: TypeAlias = Callable[[Tensor], Mapping[str, float]]
Progress: TypeAlias = Callable[[int, float], None]  # called with step and seconds
_GROWTH = 1.15  # ratio of steps between points of the curve: evenly spaced on a logarithmic axis
_PERIOD = 0.5  # seconds between two reports of progress


class CurveRecorder:
    """A callback that scores the estimate at ever wider steps.

    Args:
        score: returns the metrics of x.
        progress: called with step and seconds now and then.

    Attributes:
        spent: seconds that scoring and reporting took, to be subtracted from the run's time.
    """

    def __init__(self, score: Score, progress: Progress) -> None:
        self.score, self.progress = score, progress
        self.spent, self.reported = 0.0, 0.0
        self.before = 0  # steps and seconds of earlier runs, if a method averages several
        self.before_seconds = 0.0
        self.last: Iterate | None = None
        self.next = 1
        self.rows: list[Mapping[str, float]] = []

    def __call__(self, now: Iterate) -> None:
        """Score the iterate when it is due."""
        began = time.perf_counter()
        if self.last is not None and now.step <= self.last.step:  # the next run has begun
            self.before += self.last.step
            self.before_seconds += self.last.seconds
        self.last = now
        if not self.before and now.step >= self.next:
            self._append(now)
            # Up to step 6 the growth is less than one step.
            self.next = max(now.step + 1, int(now.step * _GROWTH))
        if began - self.reported > _PERIOD:
            self.reported = began
            self.progress(self.before + now.step, self.before_seconds + now.seconds)
        self.spent += time.perf_counter() - began

    @property
    def curve(self) -> tuple[Mapping[str, float], ...]:
        """Rows of step, seconds and the metrics of the first run, its last step included."""
        if self.last is not None and not self.before and self.rows[-1]["step"] != self.last.step:
            began = time.perf_counter()
            self._append(self.last)
            self.spent += time.perf_counter() - began
        return tuple(self.rows)

    def _append(self, now: Iterate) -> None:
        seconds = now.seconds - self.spent
        self.rows.append({"step": now.step, "seconds": seconds, **self.score(now.x)})
