"""Set up a run of `invprior matrix` and show its progress."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from invprior.cli.console import err, print_notes
from invprior.cli.outputs import DEFAULT_FOLDER
from invprior.matrix.config.matrix import read
from invprior.matrix.execution import session
from invprior.matrix.execution.pool import Event
from invprior.matrix.results.cells import Job
from invprior.matrix.results.store import Store


def planned(
    source: str, data: Path | None, size: int, output: Path | None, device: str, threads: int
) -> Store:
    """Return the folder of results that a run would make, without making it."""
    name, text = read(source)
    setting = session.setting(source, data, size, device, threads)
    store = Store.planned(output or DEFAULT_FOLDER / f"matrix-{name}", name, text, setting)
    print_notes(store.matrix.notes)
    return store


def watch(
    events: Iterator[Event | None], jobs: Sequence[Job], workers: int, *, quiet: bool
) -> None:
    """Show a run until it ends: bars on a terminal, else a line for each cell that is done."""
    if quiet or not jobs:
        for _ in events:  # which computes the cells
            pass
    elif err.is_terminal:
        _draw(events, jobs, workers)
    else:
        done = 0
        for event in events:
            if event is not None and event.kind == "done":
                done += 1
                err.print(escape(f"[{done}/{len(jobs)}] {_line(event)}"), soft_wrap=True)


def _draw(events: Iterator[Event | None], jobs: Sequence[Job], workers: int) -> None:
    left = TimeLeft(jobs, workers)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
    )
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress:
        total = progress.add_task("all cells", total=len(jobs))
        lines = [progress.add_task("idle", total=None, visible=False) for _ in range(workers)]
        for event in events:
            left.update(event)
            # Also without an event, so that the time left counts down.
            progress.update(total, description=f"all cells{left.text()}", completed=left.done)
            if event is None or event.worker >= len(lines):
                continue
            line = lines[event.worker]
            if event.kind == "started":
                limit = event.job.method.steps or None  # without one, the bar only shows activity
                progress.reset(line, description=_short(event.job), total=limit, visible=True)
            elif event.kind == "progress":
                progress.update(line, completed=event.facts["step"])
            elif event.facts.get("status") not in (None, "ok", "incompatible"):
                progress.console.print(f"[yellow]{escape(_line(event))}[/]", soft_wrap=True)


class TimeLeft:
    """Estimates the time that a run still takes, from the mean time of each method's cells, or of all cells."""

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self.waiting = {job.key: job.cell.method for job in jobs}
        self.workers, self.done = workers, 0
        self.began: dict[str, float] = {}
        self.took: dict[str, list[float]] = {}

    def update(self, event: Event | None) -> None:
        """Note a start or an end."""
        if event is None:
            return
        now = time.monotonic()
        if event.kind == "started":
            self.began[event.job.key] = now
        elif event.kind == "done":
            self.done += 1
            method = self.waiting.pop(event.job.key, event.job.cell.method)
            seconds = now - self.began.pop(event.job.key, now)
            self.took.setdefault(method, []).append(seconds)

    def seconds(self) -> float | None:
        """Return the seconds left; None before the first cell is done."""
        everything = [s for found in self.took.values() for s in found]
        if not everything:
            return None
        overall = sum(everything) / len(everything)
        means = {method: sum(s) / len(s) for method, s in self.took.items()}
        now = time.monotonic()
        elapsed = sum(now - start for start in self.began.values())  # of running cells
        whole = sum(means.get(method, overall) for method in self.waiting.values())
        return max(whole - elapsed, 0.0) / self.workers

    def text(self) -> str:
        """Return the text after the title of the bar."""
        left = self.seconds()
        return "" if left is None else f", about {duration(left)} left"


def duration(seconds: float) -> str:
    """Print a time coarsely: 40 s, 3 min, 2 h 5 min."""
    if seconds < 90:  # whole minutes would be too coarse
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def status(what: str) -> Iterator[None]:
    """Show on a terminal what is being done."""
    if not err.is_terminal:
        yield
        return
    with err.status(f"{what} ..."):
        yield


def _short(job: Job) -> str:
    return f"{job.cell.image}  {job.cell.operator}  {job.cell.method}"[:60]


def _line(event: Event) -> str:
    cell, reason = event.job.cell, event.facts["reason"]
    texts = (cell.image, cell.operator, cell.noise, cell.method)
    what = f"{event.facts['status']}: {', '.join(filter(None, texts))}, seed {cell.seed}"
    return f"{what}: {reason}" if reason else what
