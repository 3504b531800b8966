"""What a run shows while it is under way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from invprior.builders.solver import Selection
from invprior.metrics.base import Range
from invprior.metrics.psnr import PSNR
from invprior.problem.solution import Iterate
from invprior.runner.options import RunOptions
from invprior.stopping.base import AnyOf, StoppingRule
from invprior.stopping.max_steps import MaxSteps

# Seconds between two readings of the energy, each of which makes a GPU wait: on a terminal, and in a log.
_REDRAWN, _LOGGED = 0.5, 10.0


class Live:
    """A callback that shows the progress: a bar on a terminal or in a notebook, else a line every ten seconds.

    Lines suit a file, such as the log of a batch system. A run of a few seconds writes none.

    Args:
        stop: the run's rule; the bar ends at its maximum number of steps, if it has one.
        truth: the true image, (1, C, H, W), or None.
        within: the range of its intensities for scores.
        quiet: whether to show nothing.
        console: where to show it; standard error by default.
    """

    def __init__(
        self,
        stop: StoppingRule,
        truth: Tensor | None = None,
        within: Range | None = None,
        quiet: bool = False,
        console: Console | None = None,
    ) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        drawn = self.console.is_terminal or self.console.is_jupyter
        self.truth, self.metric, self.limit = truth, PSNR(data_range=within), step_limit(stop)
        self.quiet, self.last = quiet, time.perf_counter()
        self.period = _REDRAWN if drawn else _LOGGED
        self.bar: Progress | None = None
        if drawn and not quiet:
            self.bar = Progress(
                SpinnerColumn(),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                console=self.console,
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
        """Show on the bar what happens before the first step."""
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
        self.console.print(f"step {iterate.step}{of}: {', '.join(facts)}", soft_wrap=True)


def step_limit(stop: StoppingRule) -> int | None:
    """Return the maximum number of steps, or None. A rule joined by `&` may run past its own maximum."""
    if isinstance(stop, MaxSteps):
        return stop.steps
    if isinstance(stop, AnyOf):
        return min((n for rule in stop.rules if (n := step_limit(rule))), default=None)
    return None


@contextmanager
def watched(selection: Selection, options: RunOptions) -> Iterator[RunOptions]:
    """Yield the options of a run with a callback that shows its progress in this context."""
    with Live(options.rule(selection.solver, selection.problem)) as live:
        yield replace(options, callbacks=[*options.callbacks, live])
