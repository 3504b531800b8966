"""The cells of a matrix on a Dask cluster: the same processes, limits and records, on all of its machines."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from invprior.errors import MeasurementError, PluginError
from invprior.io import files
from invprior.matrix.execution.pool import Event, ProcessPool
from invprior.matrix.results import record
from invprior.matrix.results.base_record import failure
from invprior.matrix.results.cells import Job
from invprior.matrix.results.merge import named_files

# Dask may run several tasks of a worker in threads, and a pool serves one of them.
_LOCAL = threading.local()


def run(
    jobs: Sequence[Job],
    folder: Path,
    *,
    address: str | None,
    workers: int,
    tick: float = 0.5,
) -> Iterator[Event | None]:
    """Compute cells on a cluster and yield an event for each that is done; None after `tick` seconds without one.

    If a Dask worker is lost, Dask runs its cell again on another one.

    Args:
        jobs: the cells.
        folder: of the results, on this machine; images and records come back over the network.
        address: of the scheduler; None starts a cluster on this machine.
        workers: of a cluster on this machine.
        tick: seconds between two checks.

    Raises:
        PluginError: Dask is not installed.
        MeasurementError: the scheduler cannot be reached.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise PluginError(
            "The engine dask needs the package distributed. Run: pip install 'invprior[dask]'"
        ) from None
    own = None
    if address is None:
        own = LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
        )
    try:
        client = Client(own or address, timeout="20s")
    except (OSError, ValueError) as error:
        raise MeasurementError(
            f'Cannot reach the Dask scheduler at "{address}": {error}.'
        ) from None
    try:
        yield from _gather(client, jobs, folder, tick)
    finally:
        client.close()  # a cluster that was given goes on
        if own is not None:
            own.close()


def _gather(client: Any, jobs: Sequence[Job], folder: Path, tick: float) -> Iterator[Event | None]:
    from distributed import wait

    # The number makes keys unique: Dask takes equal keys for one task.
    futures = {
        client.submit(cell, job.to_json(), key=f"invprior-{job.key}-{number}", pure=False): job
        for number, job in enumerate(jobs)
    }
    waiting = set(futures)
    while waiting:
        try:
            done, waiting = wait(waiting, timeout=tick, return_when="FIRST_COMPLETED")
        except TimeoutError:
            yield None
            continue
        for future in done:
            job = futures.pop(future)
            yield Event("done", 0, job, _store(future, job, folder))


def _store(future: Any, job: Job, folder: Path) -> dict[str, Any]:
    """Write what a worker has sent, the record last."""
    if future.status != "finished":
        reason = f"its Dask worker was lost or failed: {future.exception()}"
        made = failure(job, "crashed", reason)
    else:
        text, images = future.result()
        # The images before the record: a cell with a record counts as done.
        for name, content in images.items():
            with files.atomic(folder / name, overwrite=True) as file:
                file.write(content)
        made = record.Record.from_json(text)
    record.save(folder, made)
    return {"status": made.status, "reason": made.reason}


def cell(text: str) -> tuple[str, dict[str, bytes]]:
    """Compute a cell on a Dask worker; return the record's text, and its images by their paths."""
    job = Job.from_json(text)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in (record.RECORDS, record.IMAGES):
            (folder / part).mkdir()
        pool = _pool(job.setting.threads)
        pool.folder = folder
        for _ in pool.run([job]):
            pass
        made = record.load(folder / record.RECORDS / f"{job.key}.json")
        # As bytes, because the machines share no folder.
        images = {
            f"{place}/{n}": (folder / place / n).read_bytes() for place, n in named_files(made)
        }
    return made.to_json(), images


def _pool(threads: int) -> ProcessPool:
    """Return this thread's own worker process, which is kept from one cell to the next."""
    pool: ProcessPool | None = getattr(_LOCAL, "pool", None)
    if pool is None or pool.threads != threads:
        pool = _LOCAL.pool = ProcessPool(1, threads, Path())
    return pool
