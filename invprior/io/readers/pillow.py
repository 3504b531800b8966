"""PNG, JPEG, GIF, BMP, WebP, PNM and JPEG 2000 files, by Pillow; 16 bits of colour by other means."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from invprior.errors import MeasurementError
from invprior.io import png16
from invprior.io.readers.base import Array, Decoded, checked_shape, optional

# Others, such as EPS, would run programs of the machine.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "PPM", "JPEG2000", "TIFF")
REMEDY = (
    "Convert it to RGB in the program that made it, with its profile, or by ImageMagick: "
    "magick FILE -colorspace sRGB NEW.png"
)
_LOCK = threading.Lock()


def read(path: Path) -> Decoded:
    """Read all frames; the colours of a palette are expanded, and EXIF orientation is applied."""
    with path.open("rb") as file:
        head = file.read(4096)
    if png16.is_png16(head):
        return _png16(path)
    if re.match(rb"P[56]\s", head):
        deep = _pnm16(path, head)
        if deep is not None:
            return deep
    if _depth_of_jpeg2000(head) > 8:
        return _deep_jpeg2000(path)
    with _opened(path) as image:
        count = _frames(image)
        # The frames of a GIF file become colours with opacity, as those of a palette do.
        channels = 4 if count > 1 or image.mode in ("P", "PA") else len(image.getbands())
        checked_shape((*image.size, channels, count), np.dtype(np.uint8))
        frames, notes = _upright(image)
    alpha = any(frame.has_transparency_data for frame in frames)
    colour = any(frame.mode in ("P", "PA", "RGB", "RGBA", "RGBX", "YCbCr") for frame in frames)
    pages = [_array(frame, alpha, colour) for frame in frames]
    if len({page.shape for page in pages}) > 1:
        raise MeasurementError("its frames differ in size; save them in files of their own.")
    height, width, channels = pages[0].shape
    if len(pages) == 1:
        return Decoded(pages, "YXS", (height, width, channels), alpha, notes=notes)
    return Decoded(pages, "TYXS", (len(pages), height, width, channels), alpha, notes=notes)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an image of any size; the room is checked before its pixels are decoded."""
    from PIL import Image

    # Pillow's own limit, 89 megapixels, is one number of the whole process.
    with _LOCK:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            with Image.open(path, formats=FORMATS) as image:
                yield image
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _frames(image: Any) -> int:
    return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))


def _upright(image: Any) -> tuple[list[Any], tuple[str, ...]]:
    from PIL import ImageOps

    count = _frames(image)
    found = []
    for index in range(count):
        if count > 1:
            image.seek(index)
        image.load()
        found.append(ImageOps.exif_transpose(image))
    # MPO is the JPEG of some cameras, with previews or a second view behind the main image.
    more = getattr(image, "n_frames", 1) - count
    notes = (f"The first of its {more + 1} images is read; the others are left out.",) * (more > 0)
    return found, notes


def _array(image: Any, alpha: bool, colour: bool) -> Array:
    """Return (H, W, C), uint8, uint16 or float32, with the channels that the other frames have."""
    if image.mode in ("CMYK", "LAB"):
        raise MeasurementError(f"its colour mode is {image.mode}, not grey or RGB. {REMEDY}.")
    if image.mode not in ("I;16", "I;16B", "I", "F"):
        if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"):
            raise MeasurementError(f"its colour mode is {image.mode}; convert it to grey or RGB.")
        # Palettes and bits are expanded, and a transparent colour becomes an alpha channel.
        target = ("RGB" if colour else "L") + "A" * alpha
        image = image if image.mode == target else image.convert(target)
    array = np.asarray(image)
    if image.mode == "I":  # Pillow's type of deep grey PNM and PNG files
        if array.min() < 0 or array.max() > 65535:
            return array[..., None]
        array = array.astype(np.uint16)
    return array[..., None] if array.ndim == 2 else array


def _png16(path: Path) -> Decoded:
    with _opened(path) as image:
        checked_shape((*image.size, 4), np.dtype(np.uint16))
        pixels = png16.decode(path.read_bytes())  # before the metadata, which lie behind the pixels
        array = oriented(pixels, image.getexif().get(274, 1))
    return Decoded([array], "YXS", array.shape, alpha=array.shape[-1] in (2, 4))


def _pnm16(path: Path, head: bytes) -> Decoded | None:
    """Read a binary PNM file of more than 8 bits, which Pillow cuts to 8 where it has colours; else None."""
    comment = rb"(?:\s|#[^\n]*\n)+"
    header = re.match(
        rb"P([56])" + comment + rb"(\d+)" + comment + rb"(\d+)" + comment + rb"(\d+)\s", head
    )
    if header is None:
        return None
    width, height, top = (int(header[k]) for k in (2, 3, 4))
    channels = 3 if header[1] == b"6" else 1
    if not 255 < top < 65536:
        return None
    checked_shape((height, width, channels), np.dtype(np.uint16))
    array = np.fromfile(path, ">u2", height * width * channels, offset=header.end())
    if array.size < height * width * channels or array.size == 0:
        raise ValueError("its pixels end too early")
    # `top` stands for white.
    levels = np.floor(array.astype(np.float64).clip(0, top) * (65535 / top) + 0.5)
    page = levels.astype(np.uint16).reshape(height, width, channels)
    return Decoded([page], "YXS", page.shape)


def _depth_of_jpeg2000(head: bytes) -> int:
    """Return the bits per channel by the marker SIZ of the code stream; 0 for another format.

    Source: ITU-T T.800, annex A.5.1.
    """
    start = head.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(head) <= start + 42 or not (start == 0 or head[4:8] == b"jP  "):
        return 0
    return (head[start + 42] & 0x7F) + 1


def _deep_jpeg2000(path: Path) -> Decoded:
    codecs = optional("imagecodecs", "tiff", "JPEG 2000 files of more than 8 bits")
    with _opened(path) as image:
        checked_shape((*image.size, len(image.getbands())), np.dtype(np.uint16))
    array = codecs.jpeg2k_decode(path.read_bytes())
    page = array[..., None] if array.ndim == 2 else array
    return Decoded([page], "YXS", page.shape, alpha=page.shape[-1] in (2, 4))


def oriented(array: Array, orientation: int) -> Array:
    """Turn an image (H, W, ...) upright by its EXIF orientation, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
