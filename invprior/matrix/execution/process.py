"""What the system tells of a process; Linux has it in /proc."""

from __future__ import annotations

import os
from pathlib import Path


def resident(pid: int) -> int:
    """Memory that a process holds, in bytes; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def own(figure: str) -> int | None:
    """A figure of this process in bytes, such as VmHWM, the most memory that it has held; None where it is not told."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(figure)), None)
    return None if found is None else 1024 * int(found.split()[1])
