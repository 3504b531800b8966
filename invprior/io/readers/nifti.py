"""NIfTI files, by nibabel. The slices are those of the file's order; the affine is not applied."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from invprior.errors import MeasurementError
from invprior.io.readers.base import Decoded, as_counts, checked_shape, optional, pages_of, plain
from invprior.io.room import check_gzip


def read(path: Path) -> Decoded:
    """Read a volume or a series of volumes, whose first axis is X, as slices; the scale of the header is applied."""
    nibabel = optional("nibabel", "nifti", "NIfTI files")
    if path.suffix.lower() == ".gz":
        check_gzip(path)
    image = nibabel.load(path)
    proxy = image.dataobj
    stored = np.dtype(image.get_data_dtype())
    shape = tuple(int(n) for n in image.shape)
    checked_shape(shape, np.dtype(np.float64))
    if stored.names is not None:
        colours = np.asarray(proxy)
        array = np.stack([colours[name] for name in stored.names[:3]], -1)
        array, letters = array.transpose((*range(len(shape))[::-1], len(shape))), "S"
    elif plain(stored):
        slope, offset = float(proxy.slope), float(proxy.inter)
        raw = np.asarray(proxy.get_unscaled())
        array = as_counts(raw) if (slope, offset) == (1, 0) else raw * slope + offset
        array, letters = array.T, ""
    else:
        raise MeasurementError(f"its values are {stored}, not real numbers. Save the magnitude.")
    if len(shape) < 2:
        raise MeasurementError(f"expected a volume, got an array of the shape {shape}.")
    letters = ("Q" * 5 + "TZYX")[-len(shape) :] + letters
    keep = tuple(n for n, a in zip(array.shape, letters, strict=True) if n > 1 or a in "YXS")
    letters = "".join(a for n, a in zip(array.shape, letters, strict=True) if n > 1 or a in "YXS")
    return Decoded(*pages_of(array.reshape(keep), letters))
