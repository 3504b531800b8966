"""Memory and processors of a process, as the system reports them; Linux has them in /proc."""

from __future__ import annotations

import os
from pathlib import Path


def resident_memory(pid: int) -> int:
    """Return the memory that a process holds, in bytes; 0 if the system does not report it."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def own_memory(field: str) -> int | None:
    """Return a field of /proc/self/status in bytes, such as VmHWM, the peak; None without that file or field."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(field)), None)
    return None if found is None else 1024 * int(found.split()[1])


def processors() -> int:
    """Return how many processors this process may use."""
    # Containers and batch systems often allow fewer processors than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
