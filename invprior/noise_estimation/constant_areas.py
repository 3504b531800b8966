"""Areas of exactly equal values, such as the frame of a registered, rotated or letterboxed image."""

from __future__ import annotations

import torch
from torch import Tensor

# Rectangles of 64 equal values. Noise does not make them by chance, not even in 8 bits with a
# standard deviation of one grey level.
_RECTANGLES = ((1, 64), (4, 16), (8, 8), (16, 4), (64, 1))
_BLOCK = 8  # side of the blocks that must remain, in pixels
_FEWEST = 16  # such blocks; with fewer, the rest is not enough for an estimate
_FEWEST_PIXELS = 64
_EQUAL = 0.5  # share of equal neighbours in the rest, above which the image is a drawing
_GROWTH = 64  # largest number of pixels that an area grows beyond its rectangles


def constant_areas(image: Tensor, known: Tensor, *, extremes: bool = False) -> Tensor:
    """Return the pixels of areas that carry no noise although the rest of the image may.

    An area is a rectangle of 64 equal values and what is connected to it with the same value. Areas
    of the lowest or the highest value do not count: clipping makes them, and the estimates correct
    for it. A clean drawing consists of such areas, so none counts where the remaining pixels mostly
    equal a neighbour, or are too few for an estimate.

    Args:
        image: (H, W), finite.
        known: which pixels carry data, (H, W), boolean.
        extremes: whether areas of the lowest or the highest value count too.

    Returns:
        Boolean, (H, W).
    """
    nothing = torch.zeros_like(known)
    if not bool(known.any()):
        return nothing
    filled = image if bool(known.all()) else _filled(image, known)
    values = image[known]
    inside = filled.isfinite()
    if not extremes:
        inside = (filled > values.min()) & (filled < values.max())
    across = (filled[:, 1:] == filled[:, :-1]) & inside[:, 1:]
    down = (filled[1:] == filled[:-1]) & inside[1:]
    area = nothing.clone()
    for height, width in _RECTANGLES:
        _mark(area, across, down, height, width)
    if not bool(area.any()):
        return nothing
    _grow(area, across, down)
    rest = known & ~area
    if _is_small(area) or int(rest.sum()) < _FEWEST_PIXELS:
        return nothing
    pairs = [
        (rest[:, 1:] & rest[:, :-1], image[:, 1:] == image[:, :-1]),
        (rest[1:] & rest[:-1], image[1:] == image[:-1]),
    ]
    both = sum(int(pair.sum()) for pair, _ in pairs)
    equal = sum(int((pair & same).sum()) for pair, same in pairs)
    return nothing if equal > _EQUAL * both else area & known


def _is_small(area: Tensor) -> bool:
    """Return whether few blocks remain beside an area; missing pixels, which split blocks, do not matter."""
    if min(area.shape) < _BLOCK:  # rows of samples, not cut into blocks
        return False
    return int(_windows(~area, _BLOCK, _BLOCK).sum()) < _FEWEST


def _filled(image: Tensor, known: Tensor) -> Tensor:
    """Give missing pixels the value of the last known pixel to their left, or NaN."""
    column = torch.arange(image.shape[1]).expand(image.shape)
    last = column.where(known, -1).cummax(1).values
    return image.gather(1, last.clamp_min(0)).where(last >= 0, torch.nan)


def _windows(mask: Tensor, height: int, width: int) -> Tensor:
    """Return at the upper left pixel of each window whether the mask is true all over it."""
    for dim, size in ((0, height), (1, width)):
        if mask.shape[dim] < size:
            return mask.new_zeros(0, 0)
        done = 1
        while done < size:  # doubling takes log2(size) passes
            step = min(done, size - done)
            n = mask.shape[dim] - step
            mask = mask.narrow(dim, 0, n) & mask.narrow(dim, step, n)
            done += step
    return mask


def _mark(area: Tensor, across: Tensor, down: Tensor, height: int, width: int) -> None:
    """Set `area` in every rectangle whose neighbours are all equal."""
    if area.shape[0] < height or area.shape[1] < width:
        return
    start = area.new_ones(area.shape[0] - height + 1, area.shape[1] - width + 1)
    if width > 1:
        start &= _windows(across, height, width - 1)
    if height > 1:
        start &= _windows(down, height - 1, width)
    padded = torch.nn.functional.pad(start, (width - 1, width - 1, height - 1, height - 1))
    area |= ~_windows(~padded, height, width)


def _grow(area: Tensor, across: Tensor, down: Tensor) -> None:
    """Add equal neighbours to the area."""
    count = int(area.sum())
    for _ in range(_GROWTH):
        area[:, 1:] |= area[:, :-1] & across
        area[:, :-1] |= area[:, 1:] & across
        area[1:] |= area[:-1] & down
        area[:-1] |= area[1:] & down
        previous, count = count, int(area.sum())
        if count == previous:
            break
