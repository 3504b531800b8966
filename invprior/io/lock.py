"""Locks on output files, so that of two runs into the same file the second is refused at its start."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from invprior.errors import MeasurementError
from invprior.io import files

_held: set[Path] = set()
_WRITING = 10.0  # seconds after which a lock without readable content is a dead process's


def acquire(*outputs: Path) -> None:
    """Lock the files and folders that a run writes, each by its full name, until `release`.

    A lock is a hidden file beside the output that names the process and the machine. A lock whose process on this
    machine has ended is replaced.

    Raises:
        MeasurementError: another run holds a lock, or its file cannot be written.
    """
    for output in outputs:
        _acquire(_file(output))


def release(*outputs: Path) -> None:
    """Remove the locks of these outputs, or all that this process holds."""
    for path in [_file(output) for output in outputs] or list(_held):
        if path in _held:
            _held.discard(path)
            with suppress(OSError):
                path.unlink()


def _file(output: Path) -> Path:
    path = output.absolute()
    return path.with_name(f".{files.shortened(path.name, 240)}.lock")


def _acquire(path: Path) -> None:
    if path in _held:
        return
    facts = {"pid": os.getpid(), "host": socket.gethostname(), "began": _began(os.getpid())}
    for _ in range(5):  # a stale lock that is removed may be taken by another process first
        try:
            with path.open("x") as file:
                json.dump(facts, file)
            _held.add(path)
            return
        except FileExistsError:
            _remove_if_stale(path)
        except OSError as error:
            raise MeasurementError(
                f'Cannot write "{path}": {error.strerror or error}. Choose another folder.'
            ) from None
    raise MeasurementError(f'Cannot take the lock "{path}"; other runs hold it. Try again later.')


def _remove_if_stale(path: Path) -> None:
    """Remove the lock of a dead process.

    Raises:
        MeasurementError: its process is alive, or runs on another machine and may be.
    """
    try:
        text = path.read_text()
        age = time.time() - path.stat().st_mtime
    except OSError:  # released meanwhile
        return
    try:
        facts = json.loads(text)
        who = f"process {int(facts['pid'])} on {facts['host']}"
        alive = facts["host"] != socket.gethostname() or _alive(facts)
    except (ValueError, KeyError, TypeError):  # being written, or cut by a crash
        who, alive = "another process", age < _WRITING
    if alive:
        output = path.with_name(path.name.removeprefix(".").removesuffix(".lock"))
        raise MeasurementError(
            f'Another run writes to the files of "{output}": {who}. Wait for its end or choose another output. If '
            f'that process has ended, remove "{path}".'
        )
    # Renamed first: another process may have replaced the stale lock by its own in between.
    taken = path.with_name(f".{secrets.token_hex(8)}.tmp")
    with suppress(OSError):
        path.rename(taken)
        if taken.read_text() != text:
            taken.rename(path)
        else:
            taken.unlink()


def _alive(facts: dict[str, Any]) -> bool:
    pid = int(facts["pid"])
    if os.name == "nt":  # there, signal 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        pass
    # A new process may have taken the number; where the system shows when it began, the two differ.
    return facts["began"] is None or facts["began"] == _began(pid)


def _began(pid: int) -> str | None:
    """Return when a process began, in ticks since the machine's start, on Linux; else None."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
