"""The free memory of the machine, and whether a file's values fit into it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from invprior.errors import MeasurementError


def free_memory() -> int:
    """Return the free memory in bytes, within the limit of a container."""
    import psutil

    free = int(psutil.virtual_memory().available)
    # Inside a container, psutil reports the memory of the whole machine.
    return min([free, *container_free()])


def container_free(root: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """Return the bytes that control groups, version 2 or 1, leave free; the file cache counts as free."""
    found = []
    for limit, used, cache in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        try:
            maximum, now = (int((root / name).read_text()) for name in (limit, used))
            stat = dict(line.split() for line in (root / cache).read_text().splitlines())
        except (OSError, ValueError):  # no such group, or "max", which is no limit
            continue
        found.append(max(maximum - now + int(stat.get("inactive_file", 0)), 0))
    return found


def check_room(values: int, itemsize: int) -> None:
    """Refuse to decode what does not fit into memory, such as a small file that claims to be huge.

    Args:
        values: number of values in the file.
        itemsize: bytes of each.

    Raises:
        MeasurementError: the array and its copy in float32 exceed the free memory.
    """
    needed = values * (itemsize + 4)
    if needed < 2**24:  # asking the system takes longer than such a file
        return
    free = free_memory()
    if needed > free:
        raise MeasurementError(
            f"its {values:,} values need {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. "
            "Crop or reduce it, or use a machine with more memory."
        )


def check_gzip(path: Path) -> None:
    """Refuse a file of gzip whose content does not fit into memory, without keeping the content.

    Libraries read headers from such a file before they know the size of its image, and a header may be endless.

    Raises:
        MeasurementError: the content, as values of one byte, exceeds the free memory.
    """
    if _could_exceed(path):
        with gzip.open(path) as file:
            _check_stream(iter(lambda: file.read(_PIECE), b""))


def check_deflated(path: Path, starts: Iterable[int]) -> None:
    """Refuse a file as `check_gzip` does, in which raw deflate streams begin at these bytes."""
    if _could_exceed(path):
        with path.open("rb") as file:
            for start in starts:
                file.seek(start)
                _check_stream(_inflated(file))


_PIECE = 2**20
_RATIO = 1032  # the most by which deflate shortens


def _could_exceed(path: Path) -> bool:
    """Whether the content may exceed the memory at all; for most files no second pass is needed."""
    return path.stat().st_size * _RATIO * 5 > free_memory()


def _inflated(file: IO[bytes]) -> Iterable[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflater.eof and (piece := inflater.unconsumed_tail or file.read(_PIECE)):
        yield inflater.decompress(piece, _PIECE)


def _check_stream(pieces: Iterable[bytes]) -> None:
    size = 0
    for piece in pieces:
        size += len(piece)
        check_room(size, 1)
