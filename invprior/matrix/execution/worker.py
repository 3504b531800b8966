"""A worker: takes cells from its run one at a time, and forks a process for each.

The fork server (`execution.fork_server`), which has everything imported, forks the worker. Neither of the two runs a
tensor operation: torch would start threads, and a fork loses threads. Run and worker exchange JSON objects over a
socket, one a line.
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
from pathlib import Path
from typing import IO, Any

from invprior.matrix.execution import cell_process
from invprior.matrix.execution.process import resident_memory
from invprior.matrix.results import record
from invprior.matrix.results.base_record import failure
from invprior.matrix.results.cells import Job
from invprior.matrix.results.record import Status

_PERIOD = 0.05  # seconds between two checks of a cell's memory and time, at most


def serve(run: socket.socket) -> None:
    """Compute cells until the run closes the connection."""
    _send(run, event="ready", pid=os.getpid())
    with run.makefile("rb") as lines:
        for line in lines:
            request = json.loads(line)
            job, folder = Job.from_json(request["job"]), Path(request["folder"])
            _send(run, key=job.key, **_compute(job, folder, run))


def _compute(job: Job, folder: Path, run: socket.socket) -> dict[str, Any]:
    """Run a cell to its end; return the message about it."""
    with tempfile.TemporaryFile() as output:
        pid = os.fork()
        if pid == 0:
            code = cell_process.UNWRITTEN
            try:
                code = cell_process.run(job, folder, output.fileno(), run.fileno())
            finally:
                os._exit(code)  # without the clean-up of the worker that was copied
        status, exceeded = _wait(pid, job, run)
        return _outcome(job, folder, status, exceeded, output)


def _wait(pid: int, job: Job, run: socket.socket) -> tuple[int, tuple[Status, str] | None]:
    """Wait for a cell's process, and kill it above its limits.

    Returns:
        The wait status, and the limit that was exceeded, if any.
    """
    # A forked cell shares the worker's pages, which are not its own need.
    until, own = time.monotonic() + job.seconds, resident_memory(os.getpid())
    exceeded: tuple[Status, str] | None = None
    wait = 0.002  # short at first: many cells take milliseconds
    while True:
        # Polled, as the worker also watches the cell's limits and its run.
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)  # processes that the cell has started
            return status, exceeded
        ready, _, _ = select.select([run], [], [], wait)
        wait = min(1.5 * wait, _PERIOD)
        if ready:  # the run has ended: it sends nothing to a busy worker
            _kill(pid)
            os._exit(0)
        if time.monotonic() > until:
            exceeded = "timeout", f"took longer than the limit of {job.seconds:g} s"
        elif _memory(pid, job) - own > job.limits.bytes:
            exceeded = "out-of-memory", f"needed more than the limit of {job.limits.memory}"
        if exceeded:
            _kill(pid)


def _memory(pid: int, job: Job) -> int:
    """The memory that counts towards the limit; a GPU's driver maps more than that."""
    return 0 if job.setting.device.startswith("cuda") else resident_memory(pid)


def _kill(pid: int) -> None:
    for kill in (os.killpg, os.kill):  # the group does not exist in the first moments
        with suppress(OSError):
            kill(pid, signal.SIGKILL)


def _outcome(
    job: Job, folder: Path, status: int, exceeded: tuple[Status, str] | None, output: IO[bytes]
) -> dict[str, Any]:
    """Make sure that the cell has left a record, unless it is to be run again."""
    code = os.waitstatus_to_exitcode(status)
    path = folder / record.RECORDS / f"{job.key}.json"
    if code == cell_process.DONE and path.exists():
        made = record.load(path)
    else:
        if exceeded is None and code == -signal.SIGKILL:
            return {"event": "lost"}
        kind, reason = exceeded or ("crashed", _last_words(code, output))
        made = failure(job, kind, reason, job.seconds if kind == "timeout" else 0.0)
        record.save(folder, made)
    return {"event": "done", "status": made.status, "reason": made.reason}


def _last_words(code: int, output: IO[bytes]) -> str:
    """Describe how a process ended, with the place of a crash, or the last line that it printed."""
    output.seek(0)
    text = output.read()[-20000:].decode(errors="replace")
    how = f"its process ended with exit code {code}"
    if code < 0:
        how = f"its process was ended by {signal.Signals(-code).name} ({signal.strsignal(-code)})"
    place = re.search(r'^  File "(.+)", line (\d+) in (\S+)', text, re.M)  # as faulthandler prints
    if place and code < 0:
        return f"{how} in {place[3]}, {place[1]}, line {place[2]}"
    lines = [line for line in text.splitlines() if line.strip()]
    return f"{how}; it last printed: {lines[-1].strip()[:300]}" if lines else how


def _send(to: socket.socket, **message: Any) -> None:
    with suppress(OSError):  # the run has closed the connection: the next read ends the worker
        to.sendall((json.dumps(message) + "\n").encode())
