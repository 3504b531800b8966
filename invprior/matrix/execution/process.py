"""Memory and descendants of a process, as the system reports them; Linux has them in /proc."""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from invprior.errors import IncompatibleError

_ADOPT, _DIE_WITH_PARENT = 36, 1  # PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG, see prctl(2)


def need_posix(what: str) -> None:
    """Refuse what forks processes and passes them file descriptors, where the system cannot.

    Args:
        what: the beginning of the message.

    Raises:
        IncompatibleError: the system is Windows.
    """
    if os.name != "posix":
        raise IncompatibleError(
            f"{what} needs Linux or macOS; got {sys.platform}. On Windows, use the Subsystem for Linux (WSL)."
        )


def resident_memory(pid: int) -> int:
    """Return the memory that a process holds, in bytes; 0 if the system does not report it."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def shared_memory(pid: int) -> int:
    """Return the memory that a process holds, in bytes, each page divided by the number of processes that share it.

    The sum over processes then counts no page twice. Without such a report, it is `resident_memory`.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return resident_memory(pid)
    found = re.search(r"^Pss: +(\d+) kB", lines, re.M)
    return 1024 * int(found[1]) if found else 0


def own_memory(field: str) -> int | None:
    """Return a field of /proc/self/status in bytes, such as VmHWM, the peak; None without that file or field."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(field)), None)
    return None if found is None else 1024 * int(found.split()[1])


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that none can leave the tree; only Linux can."""
    _control(_ADOPT, 1)


def die_with_parent(parent: int) -> None:
    """Ask the system to kill this process when its parent ends; only Linux can."""
    _control(_DIE_WITH_PARENT, signal.SIGKILL)
    if sys.platform == "linux" and os.getppid() != parent:  # it ended before the request
        os._exit(1)


def _control(request: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(request, value, 0, 0, 0)


def command(pid: int) -> bytes:
    """Return the command line of a process; empty if the system does not report it."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def python(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment of another Python that finds the modules that this one finds."""
    # -P: otherwise a file of the user's folder that is named like a module, random.py, would be imported.
    path = [folder or str(Path.cwd()) for folder in sys.path]
    return [sys.executable, "-P", *arguments], os.environ | {"PYTHONPATH": os.pathsep.join(path)}


def descendants() -> list[psutil.Process]:
    """Return this process's children, their children, and so on."""
    found: list[psutil.Process] = psutil.Process().children(recursive=True)
    return found


def kill_all(processes: list[psutil.Process]) -> None:
    """Kill processes; one that has ended is left out."""
    for stop in (psutil.Process.suspend, psutil.Process.kill):  # what is suspended starts no more
        for process in processes:
            with suppress(psutil.Error):
                stop(process)


def how_ended(code: int, text: str) -> str:
    """Describe how a process ended, with the place of a crash, or the last line that it printed.

    Args:
        code: its exit code; minus the number of the signal that ended it.
        text: what it printed.
    """
    how = f"its process ended with exit code {code}"
    if code < 0:
        how = f"its process was ended by {signal.Signals(-code).name} ({signal.strsignal(-code)})"
    place = re.search(r'^  File "(.+)", line (\d+) in (\S+)', text, re.M)  # as faulthandler prints
    if place and code < 0:
        return f"{how} in {place[3]}, {place[1]}, line {place[2]}"
    lines = [line for line in text.splitlines() if line.strip()]
    return f"{how}; it last printed: {lines[-1].strip()[:300]}" if lines else how
