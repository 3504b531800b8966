"""PNG, JPEG, BMP, WebP, PNM and JPEG 2000 files from arrays, with their metadata."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np

from invprior.io import png16
from invprior.io.metadata import Metadata
from invprior.io.readers.base import Array, optional

_INCHES = {"inch": 1.0, "cm": 2.54}  # centimetres per inch: pixels per inch of pixels per unit


def encode(file: BinaryIO, suffix: str, array: Array, about: Metadata) -> None:
    """Write an image, (H, W, C), uint8 or uint16, whose format is named by the suffix."""
    from PIL import Image

    flat = array[..., 0] if array.shape[-1] == 1 else array
    if suffix == ".png":
        content = io.BytesIO()
        if array.dtype == np.uint16:
            png16.encode(content, array)
        else:
            Image.fromarray(flat).save(content, "PNG")
        file.write(_with_chunks(content.getvalue(), about))
    elif suffix in (".jpg", ".jpeg"):
        Image.fromarray(flat).save(
            file,
            "JPEG",
            quality=95,
            subsampling=0,  # chroma at full resolution
            **_options(about, resolution=True),
            **({"comment": about.description} if about.text_kind == "description" else {}),
        )
    elif suffix == ".webp":
        Image.fromarray(flat).save(file, "WEBP", lossless=True, **_options(about))
    elif suffix in (".pgm", ".ppm", ".pnm"):
        _write_pnm(file, array)
    elif suffix == ".jp2" and array.dtype == np.uint16:
        codecs = optional("imagecodecs", "tiff", "JPEG 2000 files of more than 8 bits")
        file.write(codecs.jpeg2k_encode(flat, codecformat="jp2", reversible=True))
    else:
        Image.fromarray(flat).save(file, {".bmp": "BMP", ".jp2": "JPEG2000"}[suffix])


def _options(about: Metadata, *, resolution: bool = False) -> dict[str, Any]:
    """Return the metadata in the words of Pillow."""
    dpi = _dpi(about) if resolution else None
    exif = None if about.exif is None else b"Exif\0\0" + about.exif
    found = {"icc_profile": about.icc, "exif": exif, "dpi": dpi}
    return {name: value for name, value in found.items() if value is not None}


def _dpi(about: Metadata) -> tuple[float, float] | None:
    if about.resolution is None or about.resolution[2] not in _INCHES:
        return None
    x, y, unit = about.resolution
    return x * _INCHES[unit], y * _INCHES[unit]


def _write_pnm(file: BinaryIO, array: Array) -> None:
    height, width, channels = array.shape
    top = np.iinfo(array.dtype).max
    file.write(b"P%d\n%d %d\n%d\n" % (6 if channels == 3 else 5, width, height, top))
    file.write(array.astype(array.dtype.newbyteorder(">")).tobytes())


def _with_chunks(png: bytes, about: Metadata) -> bytes:
    """Insert the metadata behind the header of a PNG file, where the profile must stand.

    Source: Portable Network Graphics specification, third edition, W3C 2025, section 11.3.
    """
    chunks = []
    if about.icc is not None:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(about.icc)))
    if (dpi := _dpi(about)) is not None:
        per_metre = [round(value / 0.0254) for value in dpi]
        chunks.append((b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if about.exif is not None:
        chunks.append((b"eXIf", about.exif))
    if about.description and about.text_kind == "description":
        text = about.description.encode("utf-8")
        chunks.append((b"iTXt", b"Description\0\0\0\0\0" + text))
    end = len(png16.SIGNATURE) + 25  # of the header's chunk
    made = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return png[:end] + made + png[end:]
