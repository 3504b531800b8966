"""The name "-": an image on standard input, and a result on standard output."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from invprior.errors import MeasurementError, OptionError

if TYPE_CHECKING:
    import torch

    from invprior.io.images import Image

NAME = "-"
# Standard input has no name, so that its format is known by how it begins: place, bytes, suffix.
_BEGINNINGS = (
    (0, b"\x89PNG", ".png"),
    (0, b"\xff\xd8\xff", ".jpg"),
    (0, b"GIF8", ".gif"),
    (8, b"WEBP", ".webp"),
    (0, b"BM", ".bmp"),
    (0, b"II*\x00", ".tif"),
    (0, b"MM\x00*", ".tif"),
    (0, b"II+\x00", ".tif"),
    (0, b"MM\x00+", ".tif"),
    (0, b"\x93NUMPY", ".npy"),
    (0, b"PK\x03\x04", ".npz"),
    (0, b"\x89HDF", ".h5"),
    (0, b"MATLAB 5.0", ".mat"),
    (0, b"SIMPLE  =", ".fits"),
    (4, b"jP  ", ".jp2"),
    (128, b"DICM", ".dcm"),
    (344, b"n+1\x00", ".nii"),
    *((0, f"P{n}".encode(), ".pnm") for n in range(1, 7)),
)


def received(dtype: torch.dtype) -> Image:
    """Read the image on standard input.

    Raises:
        MeasurementError: there is none, its format is unknown, or it holds several images.
    """
    from invprior.io import images

    if sys.stdin is None or sys.stdin.isatty():
        raise MeasurementError(
            'The image "-" is read from standard input, which is a terminal. Pipe one into it: '
            "invprior solve - < y.png"
        )
    content = sys.stdin.buffer.read()
    known = (s for at, start, s in _BEGINNINGS if content[at : at + len(start)] == start)
    suffix = next(known, None)
    if suffix is None:
        what = f"begins with {content[:8]!r}" if content else "is empty"
        raise MeasurementError(
            f"Standard input {what}, which is the beginning of no format that is read. Save it to a file, "
            "whose suffix names its format."
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"stdin{suffix}")
        path.write_bytes(content)
        stack = images.load_stack(path, dtype)
    if len(stack.images) > 1:
        raise MeasurementError(
            f"Standard input holds {len(stack.images)} images. Save it to a file, of which each is restored."
        )
    return replace(stack.images[0], path=Path(path.name), notes=stack.notes)


@contextmanager
def sending(output: Path | None, *, json: bool = False, count: int = 1) -> Iterator[Path | None]:
    """Give a temporary folder for the results if they go to standard output, else the output as it is.

    Raises:
        OptionError: several results, or results and a record, cannot go there together.
    """
    if output is None or str(output) != NAME:
        yield output
        return
    if json or count > 1 or sys.stdout.isatty():
        with_what = "--json" if json else f"{count} images" if count > 1 else "a terminal"
        raise OptionError(
            f'--output "-" writes one image to standard output; got {with_what} too. Name a file instead.'
        )
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def send(path: Path) -> None:
    """Write a file to standard output."""
    sys.stdout.buffer.write(path.read_bytes())
    sys.stdout.buffer.flush()
