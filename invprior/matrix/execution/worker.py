"""A worker: it takes a cell at a time from its run, and forks a child for each.

It is itself forked by a nest (`matrix.nest`) that has everything imported. Neither runs a tensor operation, so that no
thread of torch's exists that a fork would lose. Run and worker talk by a socket, a JSON object a line.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from invprior.matrix.execution import cell_process
from invprior.matrix.execution.process import resident
from invprior.matrix.results import record
from invprior.matrix.results.cells import Job
from invprior.matrix.results.record import Record, Status

_LOOK = 0.05  # seconds between two looks at a child's memory and time


def serve(run: socket.socket) -> None:
    """Compute cells until the run hangs up."""
    _say(run, say="ready", pid=os.getpid())
    with run.makefile("rb") as lines:
        for line in lines:
            request = json.loads(line)
            job, folder = Job.from_json(request["job"]), Path(request["folder"])
            _say(run, key=job.key, **_compute(job, folder, run))


def _compute(job: Job, folder: Path, run: socket.socket) -> dict[str, Any]:
    """Run a cell to its end; what there is to say of it."""
    with tempfile.TemporaryFile() as output:
        pid = os.fork()
        if pid == 0:
            code = cell_process.UNWRITTEN
            try:
                code = cell_process.run(job, folder, output.fileno(), run.fileno())
            finally:
                os._exit(code)
        status, over = _watched(pid, job, run)
        return _outcome(job, folder, status, over, output)


def _watched(pid: int, job: Job, run: socket.socket) -> tuple[int, tuple[Status, str] | None]:
    """Wait for a child; kill it above its limits. Returns its wait status, and the limit if it was one."""
    until, own = time.monotonic() + job.seconds, resident(os.getpid())
    over: tuple[Status, str] | None = None
    wait = 0.002
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)  # what it has started
            return status, over
        ready, _, _ = select.select([run], [], [], wait)
        wait = min(1.5 * wait, _LOOK)
        if ready:  # the run has ended: it sends nothing to a busy worker
            _kill(pid)
            os._exit(0)
        if time.monotonic() > until:
            over = "timeout", f"took longer than the limit of {job.seconds:g} s"
        elif resident(pid) - own > job.limits.bytes and not job.setting.device.startswith("cuda"):
            over = "out-of-memory", f"needed more than the limit of {job.limits.memory}"
        if over:
            _kill(pid)


def _kill(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with suppress(OSError):
            kill(pid, signal.SIGKILL)


def _outcome(
    job: Job, folder: Path, status: int, over: tuple[Status, str] | None, output: IO[bytes]
) -> dict[str, Any]:
    """See to it that the cell has left a record, unless it should be run again."""
    code = os.waitstatus_to_exitcode(status)
    path = folder / record.RECORDS / f"{job.key}.json"
    if code == cell_process.DONE and path.exists():
        made = record.load(path)
    else:
        if over is None and code == -signal.SIGKILL:
            return {"say": "lost"}
        kind, reason = over or ("crashed", _told(code, output))
        made = failed(job, kind, reason)
        record.save(folder, made)
    return {"say": "done", "status": made.status, "reason": made.reason}


def failed(job: Job, status: Status, reason: str) -> Record:
    """The record of a cell whose process could not write one."""
    from invprior.matrix.execution.measure import failure

    made = failure(job, status, reason)
    return replace(made, seconds=record.Seconds(whole=job.seconds if status == "timeout" else 0.0))


def _told(code: int, output: IO[bytes]) -> str:
    """Say how a process ended, with the place of a crash, or the last line that it printed."""
    output.seek(0)
    text = output.read()[-20000:].decode(errors="replace")
    how = f"its process ended with exit code {code}"
    if code < 0:
        how = f"its process was ended by {signal.Signals(-code).name} ({signal.strsignal(-code)})"
    place = re.search(r'^  File "(.+)", line (\d+) in (\S+)', text, re.M)
    if place and code < 0:
        return f"{how} in {place[3]}, {place[1]}, line {place[2]}"
    lines = [line for line in text.splitlines() if line.strip()]
    return f"{how}; it last printed: {lines[-1].strip()[:300]}" if lines else how


def _say(to: socket.socket, **what: Any) -> None:
    with suppress(OSError):  # a run that has hung up: the next read says so too
        to.sendall((json.dumps(what) + "\n").encode())
