"""The pipe from a cell to its worker; what a plugin writes into it is left out."""

from __future__ import annotations

import math
import os
from contextlib import suppress

WRITTEN = b"written"  # the last line: without it, an exit code of 0 is a plugin's
_CHUNK = 1 << 16  # bytes read at a time, and the longest line


class CellMessages:
    """A pipe, made before the fork; each side closes the end of the other.

    Attributes:
        written: whether the cell has said that its record is written.
        open: the descriptor to wait for, or nothing when the cell has closed its end.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self.written = False
        self.open = [self._read]
        self._pending = b""

    def __enter__(self) -> CellMessages:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._read)

    def writing(self) -> int:
        """Keep the cell's end; return its descriptor."""
        os.close(self._read)
        return self._write

    def reading(self) -> None:
        """Keep the worker's end."""
        os.close(self._write)
        os.set_blocking(self._read, False)

    def read(self) -> list[tuple[int, float]]:
        """Return the reports of progress that have arrived: step and seconds."""
        try:
            data = os.read(self._read, _CHUNK)
        except BlockingIOError:
            return []
        if not data:
            self.open = []
        *lines, pending = (self._pending + data).split(b"\n")
        self._pending = pending[-_CHUNK:]
        self.written |= WRITTEN in lines
        return [found for line in lines if (found := _progress(line)) is not None]


def report(descriptor: int, step: int, seconds: float) -> None:
    """Report progress from the cell."""
    os.write(descriptor, f"{step} {seconds}\n".encode())


def _progress(line: bytes) -> tuple[int, float] | None:
    with suppress(ValueError):
        step, seconds = line.split()
        found = int(step), float(seconds)
        return found if math.isfinite(found[1]) else None
    return None
