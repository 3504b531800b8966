"""A worker: takes cells from its run one at a time, and forks a process for each.

The fork server (`execution.fork_server`), which has everything imported, forks the worker. Neither of the two runs a
tensor operation: torch would start threads, and a fork loses threads. Run and worker exchange JSON objects over a
socket, one a line. A cell has no access to that socket, as a plugin may write to any file that it finds open.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from invprior.errors import MeasurementError
from invprior.matrix.execution import cell_process, process
from invprior.matrix.execution.cell_messages import CellMessages
from invprior.matrix.results import record
from invprior.matrix.results.base_record import failure
from invprior.matrix.results.cells import Job
from invprior.matrix.results.record import Record, Status

_PERIOD = 0.05  # seconds between two checks of a cell's time and of its run, at most
_LOOK = 0.2  # seconds between two checks of the memory of all its processes, at least
_SHARE = 0.1  # of the time that these checks may take
_END = 5.0  # seconds that a killed process may take to end; one that waits for a broken disk never does


def serve(run: socket.socket) -> None:
    """Compute cells until the run closes the connection."""
    process.adopt_orphans()
    _send(run, event="ready", pid=os.getpid())
    with run.makefile("rb") as lines:
        for line in lines:
            request = json.loads(line)
            job, folder = Job.from_json(request["job"]), Path(request["folder"])
            _send(run, key=job.key, **_compute(job, folder, run))


def _compute(job: Job, folder: Path, run: socket.socket) -> dict[str, Any]:
    """Run a cell to its end; return the message about it."""
    with tempfile.TemporaryFile() as output, CellMessages() as messages:
        pid = os.fork()
        if pid == 0:
            code = cell_process.UNWRITTEN
            try:
                os.close(run.fileno())
                code = cell_process.run(job, folder, output.fileno(), messages.writing())
            finally:
                os._exit(code)  # without the clean-up of the worker that was copied
        messages.reading()
        try:
            status, exceeded = _wait(pid, job, run, messages)
        finally:
            end_all()
        return _outcome(job, folder, status, exceeded, messages.written, output)


def _wait(
    pid: int, job: Job, run: socket.socket, messages: CellMessages
) -> tuple[int, tuple[Status, str] | None]:
    """Wait for a cell's process, forward its progress, and kill it above its limits.

    Returns:
        The wait status, and the limit that was exceeded, if any.
    """
    # A forked cell shares the worker's pages, which are not its own need.
    until, own = time.monotonic() + job.seconds, process.resident_memory(os.getpid())
    look, memory = 0.0, 0
    exceeded: tuple[Status, str] | None = None
    wait = 0.002  # short at first: many cells take milliseconds
    while True:
        # Polled, as the worker also watches the cell's limits and its run.
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            with suppress(OSError):  # the rest of its group, where the system lets orphans go
                os.killpg(pid, signal.SIGKILL)
            messages.read()
            return status, exceeded
        ready, _, _ = select.select([run.fileno(), *messages.open], [], [], wait)
        wait = min(1.5 * wait, _PERIOD)
        if run.fileno() in ready:  # the run has ended: it sends nothing to a busy worker
            end_all()
            os._exit(0)
        for step, seconds in messages.read():
            _send(run, event="progress", key=job.key, step=step, seconds=seconds)
        now = time.monotonic()
        if job.setting.device.startswith("cuda"):
            pass  # a GPU's driver maps more than the cell needs
        elif now >= look:
            memory = _memory(pid, own, job.limits.bytes)
            took = time.monotonic() - now
            look = now + max(_LOOK, took / _SHARE)
        else:  # the cell's own process, of which nearly all cells consist, is quick to ask
            memory = process.resident_memory(pid) - own
        if now > until:
            exceeded = "timeout", f"took longer than the limit of {job.seconds:g} s"
        elif memory > job.limits.bytes:
            exceeded = "out-of-memory", f"needed more than the limit of {job.limits.memory}"
        if exceeded:
            _kill(pid)


def _memory(pid: int, own: int, limit: int) -> int:
    """Return the memory that a cell and all that it has started hold beyond the worker's, in bytes."""
    tree = process.descendants()
    # Too much where processes share pages, and quick: if it is within the limit, the exact sum is too.
    most = sum(process.resident_memory(p.pid) for p in tree) - own
    if most <= limit or len(tree) == 1:
        return most
    share = process.shared_memory(os.getpid())
    own_command = process.command(os.getpid())
    # A forked process has its parent's command line, and the worker's pages.
    forked = sum(process.command(p.pid) == own_command for p in tree)
    return sum(process.shared_memory(p.pid) for p in tree) - forked * share


def _kill(pid: int) -> None:
    for kill in (os.killpg, os.kill):  # the group does not exist in the first moments
        with suppress(OSError):
            kill(pid, signal.SIGKILL)


def end_all() -> None:
    """Kill every descendant of this process, and wait for their ends."""
    until = time.monotonic() + _END
    while time.monotonic() < until:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:  # there is none
            return
        process.kill_all(process.descendants())
        time.sleep(0.001)


def _outcome(
    job: Job,
    folder: Path,
    status: int,
    exceeded: tuple[Status, str] | None,
    written: bool,
    output: IO[bytes],
) -> dict[str, Any]:
    """Make sure that the cell has left a record, unless it is to be run again."""
    code = os.waitstatus_to_exitcode(status)
    made = _read(folder / record.RECORDS / f"{job.key}.json") if written else None
    if made is None or exceeded is not None:
        if exceeded is None and code == -signal.SIGKILL:
            return {"event": "lost"}
        kind, reason = exceeded or ("crashed", process.how_ended(code, _end_of(output)))
        made = failure(job, kind, reason, job.seconds if kind == "timeout" else 0.0)
        record.save(folder, made)
    return {"event": "done", "status": made.status, "reason": made.reason}


def _read(path: Path) -> Record | None:
    try:
        return record.load(path)
    except MeasurementError:
        return None


def _end_of(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read()[-20000:].decode(errors="replace")


def _send(to: socket.socket, **message: Any) -> None:
    with suppress(OSError):  # the run has closed the connection: the next read ends the worker
        to.sendall((json.dumps(message) + "\n").encode())
