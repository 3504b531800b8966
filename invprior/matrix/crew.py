"""The workers of this machine: started, fed, watched, and started again when they die."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from invprior.errors import PluginError
from invprior.matrix import record
from invprior.matrix.cells import Job

TRIES = 3  # of a cell whose process, or whose worker, is killed from outside


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


class Worker:
    """One worker process.

    Args:
        threads: of each cell.
    """

    def __init__(self, threads: int) -> None:
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
        limits = {f"{name}_NUM_THREADS": str(threads) for name in names}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "invprior.matrix.worker", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, **limits, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is the run's alone
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.pending = b""
        self.job: Job | None = None
        self.ready = False

    def give(self, job: Job, folder: Path) -> None:
        """Let it compute a cell; a worker that has died meanwhile is found out by `read`."""
        assert self.process.stdin is not None
        self.job = job
        request = {"job": job.to_json(), "folder": str(folder.absolute())}
        with suppress(BrokenPipeError):
            self.process.stdin.write((json.dumps(request) + "\n").encode())
            self.process.stdin.flush()

    def read(self) -> list[dict[str, Any]] | None:
        """Take the messages that have come; None when the worker has died."""
        assert self.process.stdout is not None
        data = self.process.stdout.read()
        if data == b"":
            return None
        *lines, self.pending = (self.pending + (data or b"")).split(b"\n")
        return [json.loads(line) for line in lines if line]

    def end(self) -> None:
        """Kill it, and with it its cell."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        self.errors.close()

    def last_words(self) -> str:
        """What it printed last."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it printed nothing"


class Crew:
    """Workers that share a list of cells; a context manager that ends them.

    Args:
        workers: how many cells are computed at a time.
        threads: of each of them.
        folder: of the results.
    """

    def __init__(self, workers: int, threads: int, folder: Path) -> None:
        self.threads, self.folder = threads, folder
        self.selector = selectors.DefaultSelector()
        self.workers: list[Worker] = []
        self.unready = 0  # workers in a row that died before they were ready
        for number in range(workers):
            self._start(number)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self.workers:
            worker.end()
        self.selector.close()

    def run(self, jobs: Iterable[Job], tick: float = 0.5) -> Iterator[Event | None]:
        """Compute cells, and tell what happens; None now and then when nothing does.

        Raises:
            PluginError: workers die as soon as they start.
        """
        waiting, lost = deque(jobs), dict[str, int]()
        left = len(waiting)
        while left:
            for number, worker in enumerate(self.workers):
                if waiting and worker.ready and worker.job is None:
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
        worker = Worker(self.threads)
        self.workers[number : number + 1] = [worker]
        assert worker.process.stdout is not None
        self.selector.register(worker.process.stdout, selectors.EVENT_READ, number)

    def _events(self, number: int) -> list[Event]:
        worker = self.workers[number]
        messages = worker.read()
        if messages is None:
            return self._replace(number)
        events = []
        for message in messages:
            kind = message.pop("say")
            if kind == "ready":
                worker.ready, self.unready = True, 0
            elif worker.job is not None and message.pop("key") == worker.job.key:
                events.append(Event(kind, number, worker.job, message))
                if kind != "progress":
                    worker.job = None
        return events

    def _replace(self, number: int) -> list[Event]:
        """Start another worker in a dead one's place."""
        worker = self.workers[number]
        self.unready += not worker.ready
        if self.unready >= TRIES:
            worker.process.wait()
            raise PluginError(f"The worker process cannot start: {worker.last_words()}")
        assert worker.process.stdout is not None
        self.selector.unregister(worker.process.stdout)
        worker.end()
        self._start(number)
        return [] if worker.job is None else [Event("lost", number, worker.job)]

    def _given_up(self, event: Event) -> Event:
        from invprior.matrix.worker import failed

        reason = (
            f"its process was killed from outside {TRIES} times, as the system does when memory runs out; "
            "set a limit of memory below what the machine has, or compute fewer cells at a time (--workers)"
        )
        record.save(self.folder, failed(event.job, "out-of-memory", reason))
        return Event("done", event.worker, event.job, {"status": "out-of-memory", "reason": reason})
