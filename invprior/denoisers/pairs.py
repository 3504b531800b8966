"""The pairs of neighbours that nlm and bilateral compare, each pair met once."""

from __future__ import annotations

from collections.abc import Iterator
from types import EllipsisType
from typing import TypeAlias

Region: TypeAlias = tuple[EllipsisType, slice, slice]


def half_window(height: int, width: int, reach: int) -> Iterator[tuple[int, int]]:
    """Half of a window's shifts, one of each opposite pair, as far as the image reaches."""
    down, across = min(reach, height - 1), min(reach, width - 1)
    for dy in range(down + 1):
        for dx in range(-across if dy else 1, across + 1):
            yield dy, dx


def regions(height: int, width: int, dy: int, dx: int) -> tuple[Region, Region]:
    """Index the pixels that have a neighbour (dy, dx) further, dy >= 0, and these neighbours."""
    here = (..., slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
    there = (..., slice(dy, height), slice(max(0, dx), width + min(0, dx)))
    return here, there
