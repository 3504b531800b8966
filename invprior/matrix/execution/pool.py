"""The workers of this machine: started, given cells, watched, and restarted when they die."""

from __future__ import annotations

import json
import math
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invprior.errors import PluginError
from invprior.matrix.execution.fork_server import ForkServer
from invprior.matrix.results import record
from invprior.matrix.results.base_record import failure
from invprior.matrix.results.cells import Job

TRIES = 3  # of a cell whose process or worker is killed from outside
_DEATHS = 10  # of workers without a job in a row, after which the pool gives up
_CHUNK = 1 << 16  # bytes read from a socket at a time
_GRACE = (
    60.0  # seconds beyond a cell's limit after which its worker, which keeps the limit, must hang
)


@dataclass(frozen=True)
class Event:
    """Something that happened to a cell: "started", "progress", "lost" (and run again) or "done".

    Attributes:
        worker: the worker's number, from 0.
        facts: `step` and `seconds` of progress; `status` and `reason` of an end.
    """

    kind: str
    worker: int
    job: Job
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Worker:
    """The run's handle on a worker.

    Attributes:
        connection: socket to its process.
        pid: 0 until it is ready.
        job: the cell that it computes; None while it waits.
        until: the time at which it must be done with it.
        pending: the beginning of a message whose end has not arrived yet.
    """

    connection: socket.socket
    pid: int = 0
    job: Job | None = None
    until: float = math.inf
    pending: bytes = b""

    def give(self, job: Job, folder: Path) -> None:
        """Send it a cell. If it has died meanwhile, `read` reports that."""
        self.job, self.until = job, time.monotonic() + job.seconds + _GRACE
        # Absolute, as a cell works in the folder of its data.
        request = {"job": job.to_json(), "folder": str(folder.absolute())}
        with suppress(OSError):
            self.connection.sendall((json.dumps(request) + "\n").encode())

    def read(self) -> list[dict[str, Any]] | None:
        """Return the messages that have arrived; None if the worker has died, or sends what no worker does."""
        try:
            data = self.connection.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self.pending = (self.pending + data).split(b"\n")
        try:
            return [_message(line) for line in lines if line]
        except ValueError:
            return None


def _message(line: bytes) -> dict[str, Any]:
    message = json.loads(line)
    if not isinstance(message, dict) or not isinstance(message.get("event"), str):
        raise ValueError(line)
    return message


class ProcessPool:
    """Workers that share a list of cells; a context manager that ends them.

    Args:
        workers: how many cells are computed at a time.
        threads: of each of them.
        folder: of the results.
        server: forks the workers; absent: the pool starts its own.
    """

    def __init__(
        self, workers: int, threads: int, folder: Path, server: ForkServer | None = None
    ) -> None:
        self.threads, self.folder = threads, folder
        self.server, self.owns_server = server or ForkServer(threads), server is None
        self.selector = selectors.DefaultSelector()
        self.workers: list[Worker] = []
        self.deaths = 0  # of workers in a row, with no cell done in between
        self.closed = False
        with self._closed_on_error():
            for number in range(workers):
                self._start(number)

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, and with them the cells that they compute."""
        if self.closed:
            return
        self.closed = True
        for worker in self.workers:
            worker.connection.close()  # which ends the worker
        self.selector.close()
        if self.owns_server:
            self.server.close()

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        """Close the pool when the block is left early: its workers may be dead, or compute what nobody wants."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def run(self, jobs: Iterable[Job], tick: float = 0.5) -> Iterator[Event | None]:
        """Compute cells and yield what happens; yield None after `tick` seconds without an event.

        A pool whose run has failed, or was left before its end, is closed.

        Raises:
            PluginError: workers cannot start.
        """
        if self.closed:
            raise PluginError("The processes that compute cells have ended. Start the run again.")
        with self._closed_on_error():
            yield from self._run(jobs, tick)

    def _run(self, jobs: Iterable[Job], tick: float) -> Iterator[Event | None]:
        waiting, lost = deque(jobs), dict[str, int]()
        left = len(waiting)
        while left:
            for number, worker in enumerate(self.workers):
                # One cell at a time: a worker that dies then loses one cell only.
                if waiting and worker.pid and worker.job is None:
                    worker.give(waiting.popleft(), self.folder)
                    assert worker.job is not None
                    yield Event("started", number, worker.job)
            keys = self.selector.select(tick)
            self._kill_hanging()
            if not keys:
                yield None
            for number in sorted(key.data for key, _ in keys):
                for event in self._events(number):
                    if event.kind == "lost":
                        tries = lost[event.job.key] = lost.get(event.job.key, 0) + 1
                        if tries < TRIES:
                            waiting.append(event.job)
                        else:
                            event = self._give_up(event)
                    left -= event.kind == "done"
                    yield event

    def _kill_hanging(self) -> None:
        for worker in self.workers:
            if worker.job is not None and worker.pid and time.monotonic() > worker.until:
                worker.until = math.inf
                with suppress(OSError):
                    os.kill(worker.pid, signal.SIGKILL)  # its end is then read as that of any other

    def _start(self, number: int) -> None:
        worker = Worker(self._connection())
        self.workers[number : number + 1] = [worker]
        self.selector.register(worker.connection, selectors.EVENT_READ, number)

    def _connection(self) -> socket.socket:
        """Fork a worker, by a new server if the last one was killed."""
        for _ in range(TRIES - 1):
            if self.server.alive:
                with suppress(PluginError):  # it was killed since
                    return self.server.worker()
            self.server.close()
            self.server, self.owns_server = ForkServer(self.threads), True
        return self.server.worker()

    def _events(self, number: int) -> list[Event]:
        worker = self.workers[number]
        messages = worker.read()
        if messages is None:
            return self._replace(number)
        events = []
        for message in messages:
            kind = message.pop("event")
            if kind == "ready":
                worker.pid = message["pid"]
            elif worker.job is not None and message.pop("key") == worker.job.key:
                events.append(Event(kind, number, worker.job, message))
                if kind != "progress":
                    worker.job, self.deaths = None, 0
        return events

    def _replace(self, number: int) -> list[Event]:
        """Start a worker in place of a dead one."""
        worker = self.workers[number]
        self.deaths += worker.job is None
        if self.deaths >= _DEATHS:
            raise PluginError("The workers die as soon as they start. Is there memory for them?")
        self.selector.unregister(worker.connection)
        worker.connection.close()
        self._start(number)
        return [] if worker.job is None else [Event("lost", number, worker.job)]

    def _give_up(self, event: Event) -> Event:
        reason = (
            f"its process was killed from outside {TRIES} times, as the system does when memory runs out; set a "
            "limit of memory below what the machine has, or compute fewer cells at a time (--workers)"
        )
        record.save(self.folder, failure(event.job, "out-of-memory", reason))
        return Event("done", event.worker, event.job, {"status": "out-of-memory", "reason": reason})
