"""The cells of a matrix on a Dask cluster: the same processes, limits and records, on all of its machines."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from invprior.errors import MeasurementError, PluginError
from invprior.io import files
from invprior.matrix.execution.cluster_cell import cell
from invprior.matrix.execution.pool import TRIES, Event
from invprior.matrix.results import record
from invprior.matrix.results.base_record import failure
from invprior.matrix.results.cells import Job
from invprior.matrix.results.record import Record

_CONNECT = 20.0  # seconds in which a scheduler must answer
_IDLE = 60.0  # seconds in which workers must appear


def run(
    jobs: Sequence[Job],
    folder: Path,
    *,
    address: str | None,
    workers: int,
    tick: float = 0.5,
) -> Iterator[Event | None]:
    """Compute cells on a cluster and yield an event for each that is done; None after `tick` seconds without one.

    If a Dask worker is lost, Dask runs its cell again on another one. If the scheduler is lost, the cells that are not
    done are given to it again as soon as it is back.

    Args:
        jobs: the cells.
        folder: of the results, on this machine; images and records come back over the network.
        address: of the scheduler; None starts a cluster on this machine.
        workers: of a cluster on this machine.
        tick: seconds between two checks.

    Raises:
        PluginError: Dask is not installed.
        MeasurementError: the scheduler cannot be reached, is lost, or has no workers. Records that have come are kept.
    """
    left = {job.key: job for job in jobs}
    for lost in range(TRIES):
        try:
            with _client(address, workers) as client:
                for event in _gather(client, list(left.values()), folder, tick):
                    if event is not None:
                        del left[event.job.key]
                    yield event
            return
        except _Lost as error:
            if lost == TRIES - 1:
                raise MeasurementError(f"{error} {_KEPT}") from None
        except _Unreachable as error:
            raise MeasurementError(f"{error} {_KEPT if lost else _ADDRESS}") from None


_ADDRESS = "Give its address, tcp://HOST:PORT, with --address."
_KEPT = "The records that have come are kept: to continue, give the same command."


class _Lost(Exception):
    """The scheduler, which did answer, does not any more."""


class _Unreachable(Exception):
    """No scheduler answers."""


@contextmanager
def _client(address: str | None, workers: int) -> Iterator[Any]:
    """Connect to a scheduler, or start a cluster on this machine."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise PluginError(
            "The engine dask needs the package distributed. Run: pip install 'invprior[dask]'"
        ) from None
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        target = address
        if target is None:
            target = stack.enter_context(
                LocalCluster(
                    n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
                )
            )
        try:
            client = Client(target, timeout=_CONNECT)
        except (OSError, ValueError) as error:
            reason = str(error).rstrip(".")
            raise _Unreachable(
                f'Cannot reach the Dask scheduler at "{address}": {reason}.'
            ) from None
        yield stack.enter_context(client)  # which is closed; a cluster that was given goes on


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from printing tracebacks of a lost connection, which `run` reports."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _gather(client: Any, jobs: Sequence[Job], folder: Path, tick: float) -> Iterator[Event | None]:
    from concurrent.futures import CancelledError

    from distributed import wait

    # The time makes keys unique: Dask takes equal keys for one task.
    stamp = time.time_ns()
    futures = {
        client.submit(cell, job.to_json(), key=f"invprior-{job.key}-{stamp}", pure=False): job
        for job in jobs
    }
    waiting = set(futures)
    watch = _Watch(client)
    while waiting:
        try:
            done, waiting = wait(waiting, timeout=tick, return_when="FIRST_COMPLETED")
        except TimeoutError:
            watch()
            yield None
            continue
        except CancelledError:
            raise _Lost("The connection to the Dask scheduler was lost.") from None
        for future in done:
            job = futures.pop(future)
            yield Event("done", 0, job, _store(future, job, folder))


class _Watch:
    """Asks a scheduler that is silent whether it still lives, and has workers."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.asked = self.busy = time.monotonic()

    def __call__(self) -> None:
        """Ask, at most every few seconds.

        Raises:
            _Lost: it does not answer, or has had no workers for long.
        """
        if time.monotonic() - self.asked < _CONNECT / 4:
            return
        try:
            cores = self.client.sync(
                self.client.scheduler.ncores, workers=None, callback_timeout=_CONNECT
            )
        except (OSError, TimeoutError) as error:
            raise _Lost(f"The Dask scheduler does not answer ({type(error).__name__}).") from None
        self.asked = time.monotonic()
        if cores:
            self.busy = self.asked
        elif self.asked - self.busy > _IDLE:
            raise MeasurementError(
                f"The Dask scheduler has had no workers for {_IDLE:g} s. Start some: dask worker "
                f"{self.client.scheduler.address}. {_KEPT}"
            )


def _store(future: Any, job: Job, folder: Path) -> dict[str, Any]:
    """Write what a worker has sent, the record last."""
    try:
        if future.status != "finished":
            raise MeasurementError(f"its Dask worker was lost or failed: {future.exception()}")
        text, images = future.result()
        made = _unpacked(text, images, job, folder)
    except MeasurementError as error:
        made = failure(job, "crashed", str(error))
    record.save(folder, made)
    return {"status": made.status, "reason": made.reason}


def _unpacked(text: str, images: dict[str, bytes], job: Job, folder: Path) -> Record:
    """Write the images of a record that has come over the network; return the record.

    Raises:
        MeasurementError: it is that of another cell, or an image is not the one that it names.
    """
    made = Record.from_json(text)
    named = made.places.values()
    sent = {name: hashlib.sha256(content).hexdigest() for name, content in images.items()}
    if made.key != job.key or any(sent.get(name) != made.files[name] for _, name in named):
        raise MeasurementError("its Dask worker sent another record or image than it names")
    # The images before the record: a cell with a record counts as done.
    for place, name in named:
        with files.atomic(files.inside(folder / place, name), overwrite=True) as file:
            file.write(images[name])
    return made
