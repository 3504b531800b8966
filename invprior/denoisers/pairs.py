"""The pairs of neighbours that denoisers compare, each pair once."""

from __future__ import annotations

from collections.abc import Iterator
from types import EllipsisType
from typing import TypeAlias

Region: TypeAlias = tuple[EllipsisType, slice, slice]


def half_window(height: int, width: int, radius: int) -> Iterator[tuple[int, int]]:
    """Yield half of a window's shifts, one of each opposite pair, clipped to the image's size."""
    down, across = min(radius, height - 1), min(radius, width - 1)
    for dy in range(down + 1):
        # In the row of the pixel itself, only neighbours on its right: the left ones are their pairs.
        for dx in range(-across if dy else 1, across + 1):
            yield dy, dx


def regions(height: int, width: int, dy: int, dx: int) -> tuple[Region, Region]:
    """Return indices of the pixels with a neighbour at (dy, dx), dy >= 0, and of the neighbours."""
    here = (..., slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
    there = (..., slice(dy, height), slice(max(0, dx), width + min(0, dx)))
    return here, there
