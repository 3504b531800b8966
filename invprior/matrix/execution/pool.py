"""The workers of this machine: started, fed, watched, and started again when they die."""

from __future__ import annotations

import json
import selectors
import socket
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invprior.errors import PluginError
from invprior.matrix.execution.fork_server import ForkServer
from invprior.matrix.results import record
from invprior.matrix.results.cells import Job

TRIES = 3  # of a cell whose process, or whose worker, is killed from outside
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Event:
    """Something that has happened: "started", "progress", "lost" (and run again) or "done".

    Attributes:
        worker: the worker's number, from 0.
        facts: of progress `step` and `seconds`; of an end `status` and `reason`.
    """

    kind: str
    worker: int
    job: Job
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Worker:
    """A worker as its run sees it.

    Attributes:
        pid: known once it is ready.
        pending: the beginning of a message whose end has not come yet.
    """

    line: socket.socket
    pid: int = 0
    job: Job | None = None
    pending: bytes = b""

    def give(self, job: Job, folder: Path) -> None:
        """Let it compute a cell; one that has died meanwhile is found out by `read`."""
        self.job = job
        request = {"job": job.to_json(), "folder": str(folder.absolute())}
        with suppress(OSError):
            self.line.sendall((json.dumps(request) + "\n").encode())

    def read(self) -> list[dict[str, Any]] | None:
        """Take the messages that have come; None when the worker has died."""
        try:
            data = self.line.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self.pending = (self.pending + data).split(b"\n")
        return [json.loads(line) for line in lines if line]


class ProcessPool:
    """Workers that share a list of cells; a context manager that ends them.

    Args:
        workers: how many cells are computed at a time.
        threads: of each of them.
        folder: of the results.
        nest: where workers come from; absent, one of its own.
    """

    def __init__(
        self, workers: int, threads: int, folder: Path, nest: ForkServer | None = None
    ) -> None:
        self.threads, self.folder = threads, folder
        self.nest, self.own_nest = nest or ForkServer(threads), nest is None
        self.selector = selectors.DefaultSelector()
        self.workers: list[Worker] = []
        self.deaths = 0  # of workers in a row, with no cell done between
        for number in range(workers):
            self._start(number)

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self.workers:
            worker.line.close()  # which it takes as its end
        self.selector.close()
        if self.own_nest:
            self.nest.close()

    def run(self, jobs: Iterable[Job], tick: float = 0.5) -> Iterator[Event | None]:
        """Compute cells, and tell what happens; None now and then when nothing does.

        Raises:
            PluginError: workers cannot start.
        """
        waiting, lost = deque(jobs), dict[str, int]()
        left = len(waiting)
        while left:
            for number, worker in enumerate(self.workers):
                if waiting and worker.pid and worker.job is None:
                    worker.give(waiting.popleft(), self.folder)
                    assert worker.job is not None
                    yield Event("started", number, worker.job)
            keys = self.selector.select(tick)
            if not keys:
                yield None
            for number in sorted(key.data for key, _ in keys):
                for event in self._events(number):
                    if event.kind == "lost":
                        tries = lost[event.job.key] = lost.get(event.job.key, 0) + 1
                        if tries < TRIES:
                            waiting.append(event.job)
                        else:
                            event = self._given_up(event)
                    left -= event.kind == "done"
                    yield event

    def _start(self, number: int) -> None:
        if not self.nest.alive and self.workers:  # killed, and with it all workers
            self.nest.close()
            self.nest, self.own_nest = ForkServer(self.threads), True
        worker = Worker(self.nest.worker())
        self.workers[number : number + 1] = [worker]
        self.selector.register(worker.line, selectors.EVENT_READ, number)

    def _events(self, number: int) -> list[Event]:
        worker = self.workers[number]
        messages = worker.read()
        if messages is None:
            return self._replace(number)
        events = []
        for message in messages:
            kind = message.pop("say")
            if kind == "ready":
                worker.pid = message["pid"]
            elif worker.job is not None and message.pop("key") == worker.job.key:
                events.append(Event(kind, number, worker.job, message))
                if kind != "progress":
                    worker.job, self.deaths = None, 0
        return events

    def _replace(self, number: int) -> list[Event]:
        """Start another worker in a dead one's place."""
        worker = self.workers[number]
        self.deaths += worker.job is None
        if self.deaths >= 10:
            raise PluginError("The workers die as soon as they start; is there memory for them?")
        self.selector.unregister(worker.line)
        worker.line.close()
        self._start(number)
        return [] if worker.job is None else [Event("lost", number, worker.job)]

    def _given_up(self, event: Event) -> Event:
        from invprior.matrix.execution.worker import failed

        reason = (
            f"its process was killed from outside {TRIES} times, as the system does when memory runs out; set a "
            "limit of memory below what the machine has, or compute fewer cells at a time (--workers)"
        )
        record.save(self.folder, failed(event.job, "out-of-memory", reason))
        return Event("done", event.worker, event.job, {"status": "out-of-memory", "reason": reason})
