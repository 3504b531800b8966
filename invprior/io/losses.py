"""What is lost when an image is written into a file: values, depth and metadata."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from invprior.io import encoders
from invprior.io.images import TOPS, Image


def losses(path: Path, x: Tensor, like: Image | None) -> tuple[str, ...]:
    """Return a note for each kind of loss; none for a file that keeps everything.

    Args:
        path: the file, whose format can hold the image, see `invprior.io.save.writable`.
        x: the image, (B, C, H, W).
        like: the source; None for an image of floats without metadata.
    """
    held = encoders.DEPTHS[encoders.suffix_of(path) or path.suffix]
    shown = held_in(path, x)
    found = [None if shown is x else _MAGNITUDE.format(path.name), _values(path, shown, like, held)]
    if like is not None:
        found += [_metadata(path, like, (x.shape[2], x.shape[3]))]
    return tuple(note for note in found if note is not None)


_MAGNITUDE = "{} holds the magnitude alone; .npy and .npz keep complex values"


def held_in(path: Path, x: Tensor) -> Tensor:
    """Return an image as a file holds it: the magnitude of a complex one in a format without complex numbers."""
    return x.abs() if x.is_complex() and not encoders.holds_complex(path) else x


def _values(path: Path, x: Tensor, like: Image | None, held: Sequence[str]) -> str | None:
    if x.is_complex() or "float32" in held or (like is not None and like.depth in held):
        return None
    if like is not None and like.depth in TOPS:
        return f"{path.name} holds 8 bits; the values, {like.depth}, are rounded to them"
    outside = int(((x < 0) | (x > 1)).sum())
    return (
        f"{path.name} rounds its values and clips those outside [0, 1], {outside:,} of {x.numel():,}; .npy, .npz and "
        ".tif keep them"
    )


def _metadata(path: Path, like: Image, size: tuple[int, int]) -> str | None:
    about = like.metadata
    held = encoders.HELD.get(encoders.suffix_of(path) or "", ())
    lost = [kind for kind in about.kinds if kind not in held]
    if about.size and about.size != size:
        kept = about.without_places().kinds
        moved = [kind for kind in about.kinds if kind in held and kind not in kept]
        if moved:
            return (
                f"{path.name} has {size[0]} x {size[1]} pixels, its source {about.size[0]} x {about.size[1]}; it "
                f"leaves out {listed([*lost, *moved])}"
            )
    if not lost:
        return None
    return f"{path.name} cannot hold the {listed(lost)} of its source"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
