"""What a Dask worker does: compute a cell in a process of its own, and send back the record and the images."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from invprior.errors import PluginError
from invprior.matrix.execution.pool import TRIES, ProcessPool
from invprior.matrix.results import record
from invprior.matrix.results.cells import Job
from invprior.matrix.results.record import path_of

# Dask may run several tasks of a worker in threads, and a pool serves one of them.
_LOCAL = threading.local()


def cell(text: str) -> tuple[str, dict[str, bytes]]:
    """Compute a cell on a Dask worker; return the record's text, and its images by their names.

    Raises:
        PluginError: no process can be started on this machine.
    """
    job = Job.from_json(text)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in (record.RECORDS, record.IMAGES):
            (folder / part).mkdir()
        _compute(job, folder)
        made = record.load(path_of(folder, job.key))
        # As bytes, because the machines share no folder.
        images = {n: (folder / place / n).read_bytes() for place, n in made.places.values()}
    return made.to_json(), images


def _compute(job: Job, folder: Path) -> None:
    for left in reversed(range(TRIES)):
        try:
            pool = _pool(job.setting.threads)
            pool.folder = folder
            for _ in pool.run([job]):
                pass
        except PluginError:  # the pool is closed, and the next try has a new one
            if not left:
                raise
        else:
            return


def _pool(threads: int) -> ProcessPool:
    """Return this thread's own worker process, which is kept from one cell to the next."""
    pool: ProcessPool | None = getattr(_LOCAL, "pool", None)
    if pool is not None and (pool.closed or pool.threads != threads):
        pool.close()
        pool = None
    if pool is None:
        pool = _LOCAL.pool = ProcessPool(1, threads, Path())
    return pool
