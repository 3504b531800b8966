"""How `invprior matrix` sets up a run, drives it and shows how it goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from invprior.builders.problem import default_device
from invprior.cli.console import err
from invprior.cli.outputs import DEFAULT_FOLDER
from invprior.errors import OptionError, did_you_mean
from invprior.matrix.config import matrix as config
from invprior.matrix.config import specs
from invprior.matrix.config.matrix import AXES
from invprior.matrix.execution import cluster
from invprior.matrix.execution.pool import Event, ProcessPool
from invprior.matrix.results.cells import Job, Setting
from invprior.matrix.results.store import Found, Store, processors


@dataclass(frozen=True)
class Shape:
    """How many cells are computed at a time, and the threads of each."""

    workers: int
    threads: int


def shape(workers: int | None, threads: int, device: str) -> Shape:
    """Share out the processors: as many workers as their threads have room for; a GPU takes one cell at a time."""
    room = 1 if resolved(device).startswith("cuda") else max(processors() // threads, 1)
    return Shape(workers or room, threads)


def resolved(device: str) -> str:
    """What "auto" means here."""
    return str(default_device()) if device == "auto" else device


def looked_at(
    source: str, data: Path | None, size: int, output: Path | None, device: str, threads: int
) -> Store:
    """The store that a run would make, without making it."""
    name, text = config.read(source)
    setting = _setting(data, size, device, threads)
    return Store(_folder(name, output), config.parse(name, text), setting)


def made(
    source: str, data: Path | None, size: int, output: Path | None, device: str, threads: int
) -> Store:
    """The store, made or taken up."""
    name, text = config.read(source)
    return Store.make(_folder(name, output), name, text, _setting(data, size, device, threads))


def _setting(data: Path | None, size: int, device: str, threads: int) -> Setting:
    folder = (data or Path()).absolute()
    if not folder.is_dir():
        raise OptionError(f'The folder of images, --data, must exist; got "{folder}".')
    return Setting(data=str(folder), size=size, device=resolved(device), threads=threads)


def _folder(name: str, output: Path | None) -> Path:
    return output or DEFAULT_FOLDER / f"matrix-{name}"


def selected(jobs: Sequence[Job], only: Sequence[str] | None) -> list[Job]:
    """Keep the jobs that meet one AXIS=PATTERN of every axis that is given, and no AXIS!=PATTERN.

    Raises:
        OptionError: an axis is unknown, a pattern meets no job, or nothing is left.
    """
    wanted: dict[str, list[str]] = {}
    unwanted: list[tuple[str, str]] = []
    for text in only or ():
        axis, sign, pattern = text.partition("=")
        negated = axis.endswith("!")
        axis = axis.removesuffix("!")
        if not sign or axis not in AXES:
            raise OptionError(
                f'The option "only" must be AXIS=PATTERN or AXIS!=PATTERN with an axis of {", ".join(AXES)}'
                f'{did_you_mean(axis, AXES)}; got "{text}".'
            )
        if not any(_meets(job, axis, pattern) for job in jobs):
            raise OptionError(f'No cell is met by --only "{text}". See: invprior matrix plan.')
        if negated:
            unwanted.append((axis, pattern))
        else:
            wanted.setdefault(axis, []).append(pattern)
    left = [
        job
        for job in jobs
        if all(any(_meets(job, a, p) for p in patterns) for a, patterns in wanted.items())
        and not any(_meets(job, a, p) for a, p in unwanted)
    ]
    if not left:
        raise OptionError(
            f"No cell is left by --only {' --only '.join(only or ())}. See: invprior matrix plan."
        )
    return left


def _meets(job: Job, axis: str, pattern: str) -> bool:
    values = [str(asdict(job.cell)[axis])] + [job.cell.method] * (axis == "prior")
    return any(specs.matches(pattern, value) for value in values)


def todo(found: Sequence[Found], *, refresh: bool, retry: bool) -> list[Job]:
    """The cells to compute: those without a record, and on demand those of other code and those that failed."""
    wanted = {"missing", *(["stale"] * refresh), *(["failed"] * retry)}
    return [f.job for f in found if f.state in wanted]


def events(
    store: Store, jobs: Sequence[Job], crew: Shape, engine: str, address: str | None
) -> Iterator[Event | None]:
    """Compute cells by an engine."""
    if not jobs:
        return
    if engine == "dask":
        yield from cluster.run(jobs, store.folder, address=address, workers=crew.workers)
        return
    with ProcessPool(min(crew.workers, len(jobs)), crew.threads, store.folder) as hands:
        yield from hands.run(jobs)


def watch(
    happening: Iterator[Event | None], jobs: Sequence[Job], workers: int, *, quiet: bool
) -> None:
    """Show a run until it ends: bars on a terminal, else a line for each cell that is done."""
    if quiet or not jobs:
        for _ in happening:
            pass
    elif err.is_terminal:
        _draw(happening, jobs, workers)
    else:
        done = 0
        for event in happening:
            if event is not None and event.kind == "done":
                done += 1
                err.print(escape(f"[{done}/{len(jobs)}] {_said(event)}"), soft_wrap=True)


def _draw(happening: Iterator[Event | None], jobs: Sequence[Job], workers: int) -> None:
    left = TimeLeft(jobs, workers)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
    )
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress:
        total = progress.add_task("all cells", total=len(jobs))
        lines = [progress.add_task("idle", total=None, visible=False) for _ in range(workers)]
        for event in happening:
            left.see(event)
            progress.update(total, description=f"all cells{left.text()}", completed=left.done)
            if event is None or event.worker >= len(lines):
                continue
            line = lines[event.worker]
            if event.kind == "started":
                limit = event.job.method.steps or None
                progress.reset(line, description=_short(event.job), total=limit, visible=True)
            elif event.kind == "progress":
                progress.update(line, completed=event.facts["step"])
            elif event.facts.get("status") not in (None, "ok", "incompatible"):
                progress.console.print(f"[yellow]{escape(_said(event))}[/]", soft_wrap=True)


class TimeLeft:
    """Reckons how long a run still takes: what each method's cells have taken, else what cells take on average."""

    def __init__(self, jobs: Sequence[Job], workers: int) -> None:
        self.waiting = {job.key: job.cell.method for job in jobs}
        self.workers, self.done = workers, 0
        self.began: dict[str, float] = {}
        self.took: dict[str, list[float]] = {}

    def see(self, event: Event | None) -> None:
        """Take note of a start or an end."""
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
        """Seconds left; None as long as nothing is known."""
        everything = [s for found in self.took.values() for s in found]
        if not everything:
            return None
        usual = sum(everything) / len(everything)
        means = {method: sum(s) / len(s) for method, s in self.took.items()}
        now = time.monotonic()
        gone = sum(now - start for start in self.began.values())
        whole = sum(means.get(method, usual) for method in self.waiting.values())
        return max(whole - gone, 0.0) / self.workers

    def text(self) -> str:
        """As it stands behind the bar's title."""
        left = self.seconds()
        return "" if left is None else f", about {duration(left)} left"


def duration(seconds: float) -> str:
    """Print a time as a person would: 40 s, 3 min, 2 h 5 min."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def counting(what: str) -> Iterator[None]:
    """Show that something is under way, on a terminal."""
    if not err.is_terminal:
        yield
        return
    with err.status(f"{what} ..."):
        yield


def _short(job: Job) -> str:
    return f"{job.cell.image}  {job.cell.operator}  {job.cell.method}"[:60]


def _said(event: Event) -> str:
    cell, reason = event.job.cell, event.facts["reason"]
    texts = (cell.image, cell.operator, cell.noise, cell.method)
    what = f"{event.facts['status']}: {', '.join(filter(None, texts))}, seed {cell.seed}"
    return f"{what}: {reason}" if reason else what
