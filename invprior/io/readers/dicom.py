"""DICOM files, by pydicom. The values are in the unit of the file, such as Hounsfield units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from invprior.errors import MeasurementError
from invprior.io.readers.base import Array, Decoded, as_counts, checked_shape, optional
from invprior.io.room import check_deflated


def read(path: Path) -> Decoded:
    """Read all frames. The rescale slope and intercept are applied, and the padding value is missing."""
    pydicom = optional("pydicom", "dicom", "DICOM files")
    _check_deflated(pydicom, path)
    data = pydicom.dcmread(path)
    if (
        "PixelData" not in data
        and "FloatPixelData" not in data
        and "DoubleFloatPixelData" not in data
    ):
        raise MeasurementError("it holds no image, only a header. Name a file with pixel data.")
    samples, frames = int(data.get("SamplesPerPixel", 1)), int(data.get("NumberOfFrames", 1) or 1)
    checked_shape((frames, data.Rows, data.Columns, samples), np.dtype(np.float64))
    array = data.pixel_array
    kind = str(data.get("PhotometricInterpretation", "MONOCHROME2"))
    notes = []
    missing = None
    if kind == "PALETTE COLOR":
        array, samples = _palette(pydicom, array, data), 3
    elif samples == 1:
        missing = _padding(array, data)
        array = as_counts(_rescaled(array, data))
        if kind == "MONOCHROME1":
            notes.append(
                "Its low values are bright on a screen (MONOCHROME1); the values are kept as they are."
            )
    shape = (frames, int(data.Rows), int(data.Columns), samples)
    pages = list(array.reshape(shape))
    hidden = (
        None if missing is None or not missing.any() else list(missing.reshape((*shape[:3], 1)))
    )
    axes = ("T" if frames > 1 else "") + "YX" + ("S" if samples > 1 else "")
    lengths = shape[frames == 1 :][: len(axes)]
    return Decoded(pages, axes, lengths, missing=hidden, notes=tuple(notes))


def _check_deflated(pydicom: Any, path: Path) -> None:
    """Refuse a deflated file that does not fit into memory: pydicom inflates all of it before it reads the size."""
    reader = pydicom.filereader
    with path.open("rb") as file:
        reader.read_preamble(file, False)
        # The file's own description is the group 2, and is never deflated.
        about = reader.read_dataset(file, False, True, stop_when=lambda tag, *_: tag.group != 2)
        start = file.tell()
    if getattr(about.get("TransferSyntaxUID"), "is_deflated", False):
        check_deflated(path, [start])


def _rescaled(array: Array, data: Any) -> Array:
    """Apply the slope and the intercept; integers stay integers where both are."""
    slope, intercept = (
        float(data.get(key, default) or 0)
        for key, default in (("RescaleSlope", 1), ("RescaleIntercept", 0))
    )
    if slope in (0, 1) and intercept == 0:
        return array
    if array.dtype.kind in "iu" and slope.is_integer() and intercept.is_integer():
        return array.astype(np.int32) * np.int32(slope) + np.int32(intercept)
    return array * slope + intercept


def _padding(array: Array, data: Any) -> Array | None:
    """Return where a pixel is no part of the image, by its stored value (PS3.3, C.7.5.1.1.2)."""
    value = data.get("PixelPaddingValue")
    if value is None:
        return None
    limit = data.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    hidden: Array = (array >= low) & (array <= high)
    return hidden


def _palette(pydicom: Any, array: Array, data: Any) -> Array:
    from pydicom.pixels.processing import apply_color_lut

    colours: Array = np.asarray(apply_color_lut(array, data))
    return colours
