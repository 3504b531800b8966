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

# Seconds between two readings of the energy, each of which makes a GPU wait: on a terminal, and in a log.
_REDRAWN, _LOGGED = 0.5, 10.0


class Live:
    """A callback that shows the progress on stderr: a bar on a terminal, else a line every ten seconds.

    Lines suit a file, such as the log of a batch system. A run of a few seconds writes none.

    Args:
        stop: the run's rule; the bar ends at its maximum number of steps, if it has one.
        truth: the true image, (1, C, H, W), or None.
        within: the range of its intensities for scores.
        quiet: whether to show nothing.
    """

    def __init__(
        self, stop: StoppingRule, truth: Tensor | None, within: Range | None, quiet: bool
    ) -> None:
        self.truth, self.metric, self.limit = truth, PSNR(data_range=within), _steps(stop)
        self.quiet, self.last = quiet, time.perf_counter()
        self.period = _REDRAWN if err.is_terminal else _LOGGED
        self.bar: Progress | None = None
        if err.is_terminal and not quiet:
            self.bar = Progress(
                SpinnerColumn(),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                console=err,
                transient=True,
            )
            self.task = self.bar.add_task("starting", total=self.limit)

    def __enter__(self) -> Live:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def say(self, text: str) -> None:
        """Show on a terminal what happens before the first step."""
        if self.bar is not None:
            self.bar.update(self.task, description=text)

    def __call__(self, iterate: Iterate) -> None:
        """Show the iterate if it is time."""
        now = time.perf_counter()
        if self.quiet or now - self.last < self.period:
            return
        self.last = now
        facts = [f"energy {float(iterate.energy):.4g}"]
        if self.truth is not None and self.truth.shape == iterate.x.shape:  # a tile's shape differs
            facts.append(f"PSNR {float(self.metric.measure(iterate.x, self.truth)):.2f} dB")
        if self.bar is not None:
            self.bar.update(self.task, completed=iterate.step, description="  ".join(facts))
            return
        facts.append(f"{iterate.seconds:.0f} s")
        if self.limit is not None:
            left = iterate.seconds / iterate.step * (self.limit - iterate.step)
            facts.append(f"at most {max(left, 0):.0f} s left")
        of = "" if self.limit is None else f" of {self.limit}"
        err.print(f"step {iterate.step}{of}: {', '.join(facts)}", soft_wrap=True)


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
