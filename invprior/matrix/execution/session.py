"""Set up a run of the matrix: its store, the cells to compute, and who computes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from invprior.builders.measurements import default_device
from invprior.errors import OptionError
from invprior.io import files
from invprior.matrix.config.matrix import builtin_names
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


def setting(source: str, data: Path | None, size: int, device: str, threads: int) -> Setting:
    """Return the settings of a run whose configuration is a file or has a built-in name.

    Raises:
        OptionError: there is no such folder.
    """
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
