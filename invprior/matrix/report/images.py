"""The report's images: as data inside the page, with an inset where the methods differ most."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from scipy.ndimage import uniform_filter

from invprior.io.display import Window
from invprior.io.room import check_room
from invprior.matrix.analysis.statistics import Pair
from invprior.matrix.analysis.tasks import WAITING, Task
from invprior.matrix.results.record import Record
from invprior.matrix.results.verify import image_fault

BUDGET = 12_000_000  # bytes of whole images in a page; above it they are compressed with loss
_LEAST, _MOST = 16, 96  # limits of an inset's side in pixels, else a quarter of the image's
_QUALITY = 85  # of lossy WebP


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One image of a strip.

    Attributes:
        title: the method, "truth" or "measurement".
        record: of the method's cell; None for the others.
        image: data URI of the whole image; "" without an image.
        inset: data URI of a part of it, compressed without loss; "" if the image's size differs from the others'.
        fault: why there is no image.
        width, height: in pixels.
    """

    title: str
    record: Record | None = None
    image: str = ""
    inset: str = ""
    fault: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One measured image with all its restorations.

    Attributes:
        box: left, top, right and bottom of the insets, in pixels; None without insets.
        lossy: whether the whole images were compressed with loss.
        window: the intensities that are black and white, in words; "" for [0, 1].
    """

    pair: Pair
    tiles: tuple[Tile, ...]
    box: tuple[int, int, int, int] | None
    lossy: bool
    window: str = ""


def strips(
    folder: Path, tasks: Sequence[Task], methods: Sequence[Sequence[str]]
) -> list[list[Strip]]:
    """Return the strips of each task: every image with its first seed.

    Args:
        folder: of results.
        tasks: their records name the files in the folder.
        methods: of each task, in the order of the page.
    """
    chosen = [first_pairs(task) for task in tasks]
    # A set, because tasks share their truths.
    needed = {
        path for task, pairs in zip(tasks, chosen, strict=True)
        for row in task.records.values() for pair in pairs if pair in row
        for path in _paths(folder, row[pair]).values()
    }  # fmt: skip
    # One decision for the page, so that all its images are compressed alike.
    lossy = sum(p.stat().st_size for p in needed if p.is_file()) > BUDGET
    return [
        [_strip(folder, task, pair, order, lossy) for pair in pairs]
        for task, pairs, order in zip(tasks, chosen, methods, strict=True)
    ]


def first_pairs(task: Task) -> list[Pair]:
    """Return one pair per image: the lowest seed that any method has run."""
    ran = {p for row in task.records.values() for p in row}
    first: dict[str, Pair] = {}
    # Seeds that have run come first: the page is made while the run goes on.
    for pair in sorted(task.pairs, key=lambda p: (p not in ran, p.seed)):
        first.setdefault(pair.image, pair)
    return [first[p] for p in dict.fromkeys(p.image for p in task.pairs)]


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """A tile before its image is opened, and the record that names it; `restored` if it is a method's."""

    title: str
    record: Record | None
    role: str
    restored: bool = False


def _strip(folder: Path, task: Task, pair: Pair, methods: Sequence[str], lossy: bool) -> Strip:
    records = {m: task.records[m].get(pair) for m in methods}
    wanted = [
        _Wanted(
            title=r, record=next((m for m in records.values() if m and r in m.places), None), role=r
        )
        for r in ("truth", "measurement")
    ]
    wanted += [_Wanted(title=m, record=r, role="image", restored=True) for m, r in records.items()]
    opened = [open_image(folder, w.record, w.role) for w in wanted]
    restorations = [
        p for p, w in zip(opened, wanted, strict=True) if isinstance(p, Image.Image) and w.restored
    ]
    truth = opened[0] if isinstance(opened[0], Image.Image) else None
    box = inset_box(restorations, truth)
    size = restorations[0].size if restorations else None
    tiles = []
    for found, w in zip(opened, wanted, strict=True):
        own = w.record if w.restored else None
        if isinstance(found, str):
            fault = _fault(w.record, found) if w.restored else found
            tiles.append(Tile(title=w.title, record=own, fault=fault))
            continue
        tiles.append(
            Tile(
                title=w.title,
                record=own,
                image=_uri(found, lossy=lossy),
                inset=_uri(found.crop(box)) if box and found.size == size else "",
                width=found.width,
                height=found.height,
            )
        )
    # The measurement and its windows are the same for every method.
    known = next((r.windows for r in records.values() if r and r.windows), {})
    return Strip(pair=pair, tiles=tuple(tiles), box=box, lossy=lossy, window=_window_text(known))


def _window_text(windows: Mapping[str, tuple[float, float]]) -> str:
    if not windows:
        return ""
    shown, of_y = (str(Window(*windows[role])) for role in ("truth", "measurement"))
    apart = f"; in the measurement {of_y}" if of_y != shown else ""
    return f"Intensities from black to white: {shown}{apart}."


def _paths(folder: Path, record: Record) -> Mapping[str, Path]:
    return {role: folder / place / name for role, (place, name) in record.places.items()}


def _fault(record: Record | None, fault: str) -> str:
    if record is None:
        return WAITING
    return fault if record.status == "ok" else f"{record.status}: {record.reason}"


def open_image(folder: Path, record: Record | None, role: str) -> Image.Image | str:
    """Read an image of a record in grey or colour, or return why it cannot be shown."""
    if record is None or role not in record.places:
        return "no image was kept"
    place, name = record.places[role]
    path = folder / place / name
    if fault := image_fault(path, record):
        return f"{name} {fault}"
    try:
        # Only what a run writes: other formats make Pillow start programs.
        with Image.open(path, formats=("PNG", "TIFF")) as image:
            grey = len(image.getbands()) < 3
            check_room(image.width * image.height * len(image.getbands()), 4)
            # Pillow reads pixels lazily, and the file is closed after this block.
            image.load()
            return image.convert("L" if grey else "RGB")
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
        return f"{name} cannot be shown: {error}"


def inset_box(
    restorations: Sequence[Image.Image], truth: Image.Image | None
) -> tuple[int, int, int, int] | None:
    """Return the square in which the restorations and the truth differ most from each other."""
    if not restorations:
        return None
    width, height = restorations[0].size
    alike = [p for p in (*restorations, truth) if p is not None and p.size == (width, height)]
    side = min(max(min(width, height) // 4, _LEAST), _MOST, width, height)
    stack: NDArray[np.float32] = np.stack([np.asarray(p.convert("L"), np.float32) for p in alike])
    scatter = uniform_filter(stack.std(0), side, mode="constant")
    # The filter's value belongs to the centre of its window; keep windows that lie inside the image.
    half = side // 2
    inside = scatter[half : height - side + half + 1, half : width - side + half + 1]
    top, left = (int(i) for i in np.unravel_index(np.argmax(inside), inside.shape))
    return left, top, left + side, top + side


def _uri(image: Image.Image, *, lossy: bool = False) -> str:
    data = io.BytesIO()
    if lossy:
        image.save(data, "WEBP", quality=_QUALITY)
    else:
        image.save(data, "PNG", optimize=True)
    kind = "webp" if lossy else "png"
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
