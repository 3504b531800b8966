"""What a run shows while it is under way: the progress line and its notes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from invprior.cli.console import err
from invprior.metrics.base import Range
from invprior.metrics.psnr import PSNR
from invprior.problem.solution import Iterate
from invprior.stopping.base import AnyOf, StoppingRule
from invprior.stopping.max_steps import MaxSteps

_PERIOD = 0.5  # seconds between two readings of the energy, each of which makes a GPU wait


class Live:
    """A callback that draws the progress on stderr if that is a terminal, and nothing otherwise.

    Args:
        stop: the run's rule; the bar ends at its maximum number of steps, if it has one.
        truth: the true image, (1, C, H, W), or None.
        within: the range of its intensities for scores.
        quiet: whether to draw nothing.
    """

    def __init__(
        self, stop: StoppingRule, truth: Tensor | None, within: Range | None, quiet: bool
    ) -> None:
        self.truth, self.metric = truth, PSNR(data_range=within)
        self.last = 0.0
        self.progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=err,
            transient=True,
            disable=quiet or not err.is_terminal,
        )
        self.task = self.progress.add_task("starting", total=_steps(stop))

    def __enter__(self) -> Live:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def say(self, text: str) -> None:
        """Show what happens before the first step."""
        self.progress.update(self.task, description=text)

    def __call__(self, iterate: Iterate) -> None:
        """Redraw, at most every half second."""
        now = time.perf_counter()
        if self.progress.disable or now - self.last < _PERIOD:
            return
        self.last = now
        text = f"energy {float(iterate.energy):.4g}"
        if self.truth is not None and self.truth.shape == iterate.x.shape:  # a tile's shape differs
            text += f"  PSNR {float(self.metric.measure(iterate.x, self.truth)):.2f} dB"
        self.progress.update(self.task, completed=iterate.step, description=text)


@contextmanager
def notes_on_stderr(quiet: bool) -> Iterator[None]:
    """Print the notes of a run, which invprior logs as warnings, as yellow lines on stderr unless quiet."""
    handler = _Notes(logging.CRITICAL if quiet else logging.WARNING)
    logger = logging.getLogger("invprior")
    logger.addHandler(handler)  # also when quiet: without a handler, Python prints warnings itself
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        err.print(f"[yellow]Note: {escape(record.getMessage())}.[/]", soft_wrap=True)


def _steps(stop: StoppingRule) -> int | None:
    """Return the maximum number of steps, or None. A rule joined by `&` may run past its own maximum."""
    if isinstance(stop, MaxSteps):
        return stop.steps
    if isinstance(stop, AnyOf):
        return min((n for rule in stop.rules if (n := _steps(rule))), default=None)
    return None
