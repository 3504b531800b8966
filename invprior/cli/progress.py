"""What a run says while it goes on: the live line, and its notes."""

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
from invprior.metrics.psnr import PSNR
from invprior.problem.solution import Iterate
from invprior.stopping.base import AnyOf, StoppingRule
from invprior.stopping.max_steps import MaxSteps

_PERIOD = 0.5  # seconds between looks at the energy, which make a GPU wait


class Live:
    """A callback that draws the progress on a terminal's stderr and nothing elsewhere.

    Args:
        stop: the run's rule, which tells the number of steps when it holds one.
        truth: the true image, (1, C, H, W), or None.
        quiet: draw nothing.
    """

    def __init__(self, stop: StoppingRule, truth: Tensor | None, quiet: bool) -> None:
        self.truth = truth
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
        """Show what goes on before the first step."""
        self.progress.update(self.task, description=text)

    def __call__(self, iterate: Iterate) -> None:
        """Redraw, at most every half second."""
        now = time.perf_counter()
        if self.progress.disable or now - self.last < _PERIOD:
            return
        self.last = now
        text = f"energy {float(iterate.energy):.4g}"
        if self.truth is not None and self.truth.shape == iterate.x.shape:  # which a tile's is not
            text += f"  PSNR {float(PSNR().measure(iterate.x, self.truth)):.2f} dB"
        self.progress.update(self.task, completed=iterate.step, description=text)


@contextmanager
def notes_on_stderr(quiet: bool) -> Iterator[None]:
    """Print what invprior logs, the notes of a run, as yellow lines on stderr; nothing when quiet."""
    handler = _Notes(logging.CRITICAL if quiet else logging.WARNING)
    logger = logging.getLogger("invprior")
    logger.addHandler(handler)  # even when quiet: without one, Python prints warnings itself
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        err.print(f"[yellow]Note: {escape(record.getMessage())}.[/]", soft_wrap=True)


def _steps(stop: StoppingRule) -> int | None:
    if isinstance(stop, MaxSteps):
        return stop.steps
    if isinstance(stop, AnyOf):
        return min((n for rule in stop.rules if (n := _steps(rule))), default=None)
    return None
