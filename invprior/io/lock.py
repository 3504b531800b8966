"""Locks on output files, so that of two runs into the same file the second is refused at its start."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from invprior.errors import MeasurementError
from invprior.io import files

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# The descriptor of each lock that this process holds. The system releases a lock when its descriptor closes, at the
# latest when the process dies, so that no lock outlives its run.
_held: dict[Path, int] = {}
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
_UNKNOWN = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # file systems without locks
_BYTE = 2**30  # the locked byte on Windows, behind the text, which others may then read


def acquire(*outputs: Path) -> None:
    """Lock the files and folders that a run writes, each by its full name, until `release`.

    A lock is held on a hidden file beside the output, which names the process and the machine. What killed processes
    left of writing the output is then removed.

    Raises:
        MeasurementError: another run holds a lock, or its file cannot be written.
    """
    taken = [output for output in outputs if _file(output) not in _held]
    for output in taken:
        path = _file(output)
        if path not in _held:
            _held[path] = _acquired(path, output)
    files.remove_leftovers(*taken)


def release(*outputs: Path) -> None:
    """Remove the locks of these outputs, or all that this process holds."""
    for path in [_file(output) for output in outputs] or list(_held):
        descriptor = _held.pop(path, None)
        if descriptor is None:
            continue
        if sys.platform == "win32":  # an open file cannot be removed there
            os.close(descriptor)
        with suppress(OSError):
            path.unlink()
        if sys.platform != "win32":  # removed while it is locked: the file of another run must stay
            os.close(descriptor)


def _file(output: Path) -> Path:
    path = output.absolute()
    return path.with_name(f".{files.shortened(path.name, 240)}.lock")


def _acquired(path: Path, output: Path) -> int:
    """Lock the file and return its descriptor."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise MeasurementError(
                f'Cannot write "{path}": {error.strerror or error}. Choose another folder.'
            ) from None
        try:
            _lock(descriptor)
            # Its owner may have removed the file between the two calls; the lock then guards nothing.
            if sys.platform == "win32" or _same(descriptor, path):
                _describe(descriptor)
                return descriptor
            os.close(descriptor)
        except OSError as error:
            if error.errno in _UNKNOWN:
                logging.getLogger("invprior").warning(
                    'the file system of "%s" has no locks, so start no second run into it', output
                )
                return descriptor
            os.close(descriptor)
            raise _refusal(path, output, error) from None


def _lock(descriptor: int) -> None:
    """Lock a file for this process; raises OSError at once when another process has locked it."""
    if sys.platform == "win32":
        os.lseek(descriptor, _BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _describe(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())


def _refusal(path: Path, output: Path, error: OSError) -> MeasurementError:
    if error.errno not in _TAKEN:
        return MeasurementError(
            f'Cannot lock "{path}": {error.strerror or error}. Choose another folder.'
        )
    who = "another process"
    with suppress(OSError, ValueError, KeyError, TypeError):  # not yet written
        facts = json.loads(path.read_text())
        who = f"process {int(facts['pid'])} on {str(facts['host'])[:80]}"
    return MeasurementError(
        f'Another run writes to the files of "{output}": {who}. Wait for its end or choose another output.'
    )


def _forget() -> None:
    """Close a forked child's copies, which would hold the locks after its parent has died."""
    while _held:
        os.close(_held.popitem()[1])


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget)
