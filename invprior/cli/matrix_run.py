"""Set up a run of `invprior matrix`, drive it and show its progress."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from invprior.builders.measurements import default_device
from invprior.cli.console import err, print_notes
from invprior.cli.outputs import DEFAULT_FOLDER
from invprior.errors import OptionError
from invprior.io import files
from invprior.matrix.config.matrix import builtin_names, read
from invprior.matrix.execution import cluster
from invprior.matrix.execution.pool import Event, ProcessPool
from invprior.matrix.results.cells import Job, Setting
from invprior.matrix.results.store import PlannedCell, Store
from invprior.numerics.cores import usable


@dataclass(frozen=True)
class Parallelism:
    """How many cells are computed at a time, and the threads of each."""

    workers: int
    threads: int


def parallelism(workers: int | None, threads: int, device: str) -> Parallelism:
    """Divide the processors: by default as many workers as their threads have room for, and one on a GPU."""
    # Cells that share a GPU would affect each other's time and memory.
    room = 1 if resolved(device).startswith("cuda") else max(usable() // threads, 1)
    return Parallelism(workers or room, threads)


def resolved(device: str) -> str:
    """Return the device that "auto" means on this machine; any other as it is."""
    return str(default_device()) if device == "auto" else device


def planned(
    source: str, data: Path | None, size: int, output: Path | None, device: str, threads: int
) -> Store:
    """Return the folder of results that a run would make, without making it."""
    name, text = read(source)
    setting = _setting(source, data, size, device, threads)
    store = Store.planned(output or DEFAULT_FOLDER / f"matrix-{name}", name, text, setting)
    print_notes(store.matrix.notes)
    return store


def _setting(source: str, data: Path | None, size: int, device: str, threads: int) -> Setting:
    # Absolute, because a later command may start in another folder.
    folder = files.check_name((data or Path()).absolute())
    if not folder.is_dir():
        raise OptionError(f'The folder of images, --data, must exist; got "{folder}".')
    beside = [] if source in builtin_names() else [Path(source).absolute().parent]
    others = tuple(dict.fromkeys(str(p) for p in (*beside, Path.cwd()) if p != folder))
    return Setting(
        data=str(folder), others=others, size=size, device=resolved(device), threads=threads
    )


def todo(cells: Sequence[PlannedCell], *, refresh: bool, retry: bool) -> list[Job]:
    """Return the cells to compute: those without a record, and on request those of other code and those that failed."""
    # "missing" also covers records that a raised limit or an installed package makes obsolete.
    wanted = {"missing", *(["stale"] * refresh), *(["failed"] * retry)}
    return [c.job for c in cells if c.state in wanted]


def events(
    store: Store, jobs: Sequence[Job], parallel: Parallelism, engine: str, address: str | None
) -> Iterator[Event | None]:
    """Compute cells on this machine or on a cluster, and yield what happens."""
    if not jobs:
        return
    if engine == "dask":
        yield from cluster.run(jobs, store.folder, address=address, workers=parallel.workers)
        return
    workers = min(parallel.workers, len(jobs))  # more would have nothing to do
    with ProcessPool(workers, parallel.threads, store.folder) as pool:
        yield from pool.run(jobs)


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
