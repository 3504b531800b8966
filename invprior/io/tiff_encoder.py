"""TIFF files from arrays, by tifffile, with the metadata of the file that the image came from."""

from __future__ import annotations

import io
import json
import re
import struct
from typing import Any, BinaryIO

import numpy as np

from invprior.io.metadata import CAMERA, Metadata
from invprior.io.readers.base import Array

_EXIF, _GPS = 34665, 34853
_UNITS = {"inch": 2, "cm": 3, "": 1}
_SHAPE = ("shape", "axes")


def encode(
    file: BinaryIO,
    array: Array | list[Array],
    axes: str,
    alpha: bool,
    premultiplied: bool,
    about: Metadata,
) -> None:
    """Write an array whose axes are named; each plane or colour image is a page.

    Args:
        file: takes the bytes.
        array: one axis for each letter, the samples S may have the length 1; or a list of pages (H, W, C).
        axes: as of a stack; tifffile's and ImageJ's readers find them again.
        alpha: whether the last of the samples S is alpha.
        premultiplied: whether the colours are multiplied by alpha.
        about: the metadata.
    """
    import tifffile

    arrays = array if isinstance(array, list) else [array]
    if "S" in axes:
        arrays = [np.moveaxis(a, axes.index("S"), -1) for a in arrays]
        axes = axes.replace("S", "") + "S"
        if arrays[0].shape[-1] == 1:
            arrays, axes = [a[..., 0] for a in arrays], axes[:-1]
    samples = arrays[0].shape[-1] if axes.endswith("S") else 1
    size = sum(a.nbytes for a in arrays)
    colours = samples - alpha
    # TIFF's ExtraSamples: 0 for unspecified channels, 1 and 2 for associated and unassociated alpha.
    opacity = [1 if premultiplied else 2] * alpha
    extra = opacity if colours in (1, 3) else [0] * (colours - 1) + opacity
    exif = _exif(about)
    options: dict[str, Any] = {
        "photometric": "rgb" if colours == 3 else "minisblack",
        "planarconfig": "contig" if samples > 1 else None,
        "extrasamples": extra or None,
        "compression": "zlib",
        "metadata": _shape(about, axes) if len(arrays) == 1 else None,
        "resolution": None if about.resolution is None else about.resolution[:2],
        "resolutionunit": None if about.resolution is None else _UNITS[about.resolution[2]],
        "iccprofile": about.icc,
    }
    first: dict[str, Any] = {
        "description": _text(about, arrays[0].dtype.name),
        "extratags": [(*tag, True) for tag in (*about.tags, *_camera(exif))],
    }
    content = io.BytesIO()
    # The bytes of the tags have an order, which must be that of the file.
    with tifffile.TiffWriter(content, bigtiff=size > 2**31, byteorder=about.order) as tiff:
        for page in arrays:
            tiff.write(page, **options, **first)
            first = {}
    data = content.getvalue()
    file.write(data if size > 2**31 else _with_directories(data, about.order, exif))


def _shape(about: Metadata, axes: str) -> dict[str, Any] | None:
    """Return tifffile's own description: the axes of a stack, and what the user has added to it."""
    if about.text_kind == "shape":
        kept = json.loads(about.description or "{}")
        return {"axes": axes, **{k: v for k, v in kept.items() if k not in _SHAPE}}
    if about.description is None and len(axes.replace("S", "")) > 3:
        return {"axes": axes}  # pages of one axis need no description
    return None


def _text(about: Metadata, depth: str) -> bytes | None:
    if about.description is None or about.text_kind == "shape":
        return None
    text = about.description
    if about.text_kind == "OME-XML":
        kind = {"float32": "float", "float64": "double"}.get(depth, depth)
        text = re.sub(r'(<(?:OME:)?Pixels\b[^>]*?\sType=)"[^"]*"', rf'\g<1>"{kind}"', text)
        # The planes lie in this file, whatever file they came from.
        text = re.sub(r"<((?:OME:)?UUID)\b[^>]*>[^<]*</\1>", "", text)
    return text.encode("utf-8")


def _exif(about: Metadata) -> Any:
    from PIL import Image

    exif = Image.Exif()
    if about.exif is not None:
        exif.load(about.exif)
    return exif


def _camera(exif: Any) -> list[tuple[int, int, int, bytes]]:
    """Return the tags of EXIF that stand in the first directory of a TIFF file."""
    found = []
    for code in CAMERA:
        if isinstance(value := exif.get(code), str):
            data = value.encode("utf-8") + b"\0"
            found.append((code, 2, len(data), data))
    return found


def _with_directories(data: bytes, order: str, exif: Any) -> bytes:
    """Append the directories of EXIF and GPS, which tifffile does not write, and a first directory that names them.

    Source: TIFF revision 6.0, section 2, and Exif 2.32, section 4.6.3.
    """
    from PIL import TiffImagePlugin

    start = b"II*\0\x08\0\0\0" if order == "<" else b"MM\0*\0\0\0\x08"
    added = []
    for code in (_EXIF, _GPS):
        if values := exif.get_ifd(code):
            directory = TiffImagePlugin.ImageFileDirectory_v2(ifh=start, group=code)
            for key, value in values.items():
                directory[key] = value
            data += bytes(len(data) % 2)  # a directory begins at an even byte
            added.append(struct.pack(order + "HHII", code, 4, 1, len(data)))
            data += directory.tobytes(len(data))
    if not added:
        return data
    (first,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, first)
    entries = [data[first + 2 + 12 * k :][:12] for k in range(count)]
    entries = sorted(entries + added, key=lambda entry: struct.unpack(order + "H", entry[:2])[0])
    after = data[first + 2 + 12 * count :][:4]  # where the next page is
    data += bytes(len(data) % 2)
    whole = struct.pack(order + "H", len(entries)) + b"".join(entries) + after
    return data[:4] + struct.pack(order + "I", len(data)) + data[8:] + whole
