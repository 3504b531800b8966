"""The processor cores that this process may use, and how busy others keep them; nothing here imports torch."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_SYSTEM = Path("/")
_TICKS = 100  # a second; the unit of /proc/stat, USER_HZ, is the same on every Linux


def affinity() -> set[int]:
    """Return the numbers of the cores that the system lets this process run on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def usable() -> int:
    """Return how many cores this process may use: those of its affinity, within the quota of its control groups.

    Containers and batch systems often allow fewer than the machine has.
    """
    return max(math.ceil(min(len(affinity()), quota())), 1)


def quota(system: Path = _SYSTEM) -> float:
    """Return how many cores' time Linux's control groups allow this process; infinity without a limit.

    Args:
        system: the root folder of the system.

    Source: Linux's documentation, admin-guide/cgroup-v2 (cpu.max) and scheduler/sched-bwc (version 1).
    """
    found = [math.inf]
    for folder in _control_groups(system):
        with suppress(OSError, ValueError):
            allowed, period = (folder / "cpu.max").read_text().split()
            if allowed != "max":
                found.append(int(allowed) / int(period))
        with suppress(OSError, ValueError):
            allowed, period = (
                (folder / f"cpu.cfs_{n}_us").read_text() for n in ("quota", "period")
            )
            if int(allowed) > 0:  # -1 is no limit
                found.append(int(allowed) / int(period))
    return min(found)


def _control_groups(system: Path) -> Iterator[Path]:
    """Yield the folders of this process's groups and of those around them: a group has no more than any of these."""
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = system / "sys/fs/cgroup" / ("cpu" if controllers else "")
        group = mount / path.lstrip("/")
        # A container may see its path on the host, which its own mount does not have; the mount itself comes last.
        yield from (at for at in (group, *group.parents) if at.is_relative_to(mount))


class Load:
    """The cores that others use, between two readings.

    Args:
        system: the root folder of the system.

    Raises:
        OSError: the system does not report it; Linux does.
    """

    def __init__(self, system: Path = _SYSTEM) -> None:
        self.stat = system / "proc/stat"
        self.cores = affinity()
        self.before = self._reading()

    def others(self) -> float:
        """Return how many cores other processes have used since the last call, on average; 0 if none.

        What a virtual machine's host has taken away counts as used by others.
        """
        now, before = self._reading(), self.before
        self.before = now
        elapsed, idle, own = (b - a for a, b in zip(before, now, strict=True))
        if elapsed <= 0.0:
            return 0.0
        return max(len(self.cores) - (idle + own) / elapsed, 0.0)

    def _reading(self) -> tuple[float, float, float]:
        """Return the time, the idle seconds of the cores and the working seconds of this process."""
        idle = 0
        for line in self.stat.read_text().splitlines():
            name, *ticks = line.split()
            if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in self.cores:
                idle += int(ticks[3]) + int(ticks[4])  # the second waits for disks
        return time.monotonic(), idle / _TICKS, time.process_time()
