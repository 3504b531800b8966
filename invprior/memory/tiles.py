"""The geometry of overlapping tiles: their boxes and their blending weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeGuard

import torch
from torch import Tensor

from invprior.errors import IncompatibleError, InvpriorError, OptionError
from invprior.numerics.box import Box
from invprior.operators.base import LocalOperator, Operator
from invprior.problem.problem import Problem
from invprior.problem.restriction import alignment_of, restrict
from invprior.registry.options import plain_name


@dataclass(frozen=True)
class Tile:
    """A box of the image, and the blending weights of its solution.

    Attributes:
        box: the box.
        window: the weights, (height, width), float32; the windows of all tiles sum to 1 at every pixel.
    """

    box: Box
    window: Tensor


def acts_locally(operator: Operator) -> TypeGuard[LocalOperator]:
    """Return whether an operator on images (C, H, W) can be cut into tiles."""
    if len(operator.image_shape) != 3 or not isinstance(operator, LocalOperator):
        return False
    try:  # whether it acts locally can depend on its options
        operator.restrict(Box(0, 0, *operator.image_shape[-2:]))
    except IncompatibleError:
        return False
    return True


def divided(problem: Problem, *, tile: int, overlap: int) -> tuple[list[Tile], list[Problem]]:
    """Cut a problem into tiles; arguments and errors are those of `solve_in_tiles`."""
    operator = problem.operator
    name = plain_name(type(operator))
    if not acts_locally(operator):
        raise IncompatibleError(
            f"The image cannot be cut into tiles, since {name} does not act locally."
        )
    # The outer quarter of an overlap has weight zero, so it must contain the halo.
    _check("overlap", overlap, max(4 * operator.halo, 1), f"four times the halo of {name}")
    alignment = alignment_of(problem)
    _check("tile", tile, 2 * overlap + 3 * alignment, "more than twice the overlap")
    height, width = operator.image_shape[-2:]
    tiles = cover(height, width, tile=tile, overlap=overlap, alignment=alignment)
    try:
        return tiles, [restrict(problem, one.box) for one in tiles]
    except InvpriorError as error:
        raise IncompatibleError(
            f"Tiles of {tile} pixels cannot be solved alone: {error} Use larger tiles."
        ) from None


def _check(name: str, value: object, minimum: int, reason: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise OptionError(
            f'The option "{name}" must be an integer >= {minimum}, {reason}; got {value!r}.'
        )


def cover(height: int, width: int, *, tile: int, overlap: int, alignment: int = 1) -> list[Tile]:
    """Cover an image by the smallest number of tiles of nearly equal size, row by row.

    A tile has weight zero in the outer quarter of an overlap, where it has the least context. Across the middle half of
    the overlap its weight rises as a squared sine.

    Args:
        height: height of the image, in pixels.
        width: width of the image, in pixels.
        tile: largest height and width of a tile, at least twice the overlap plus three times the alignment.
        overlap: smallest overlap of neighbours, in pixels.
        alignment: tiles begin and end at its multiples, or at the image's border.
    """
    rows, columns = (_spans(size, tile, overlap, alignment) for size in (height, width))
    down, across = _windows(rows), _windows(columns)
    return [
        Tile(Box(top, left, bottom - top, right - left), torch.outer(v, h))
        for (top, bottom), v in zip(rows, down, strict=True)
        for (left, right), h in zip(columns, across, strict=True)
    ]


def _spans(size: int, tile: int, overlap: int, alignment: int) -> list[tuple[int, int]]:
    """Return the start and the end of each tile along one side."""
    if size <= tile:
        return [(0, size)]
    overlap = math.ceil(overlap / alignment) * alignment
    longest = tile // alignment * alignment
    count = math.ceil((size - overlap) / (longest - overlap))
    length = math.ceil((size + (count - 1) * overlap) / count / alignment) * alignment
    starts = [i * (size - length) // (count - 1) // alignment * alignment for i in range(count)]
    ends = [start + length for start in starts[:-1]]
    # The last tile ends at the border, which need not be a multiple of the alignment.
    return list(zip(starts, [*ends, size], strict=True))


def _windows(spans: list[tuple[int, int]]) -> list[Tensor]:
    """Return the tiles' weights along one side, which sum to 1."""
    windows = [torch.ones(end - start) for start, end in spans]
    for (first, a), (second, b) in pairwise(zip(spans, windows, strict=True)):
        common = first[1] - second[0]
        # Pixel centres, so that the two weights mirror each other.
        position = (torch.arange(common) + 0.5) / common
        rising = torch.sin(math.pi / 2 * (2 * position - 0.5).clamp(0, 1)).square()
        # As a tile is at least twice the overlap, its blends with both neighbours do not meet.
        a[-common:] *= 1 - rising
        b[:common] *= rising
    return windows
