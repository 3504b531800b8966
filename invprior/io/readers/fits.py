"""FITS files, by astropy. The values are in the unit of the file, and the first row is the file's first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from invprior.errors import MeasurementError
from invprior.io.readers.base import (
    Decoded,
    as_counts,
    checked_shape,
    chosen,
    likeliest,
    optional,
    pages_of,
)
from invprior.io.room import check_gzip

# First bytes of bzip2, zip, xz, compress and zstandard.
_COMPRESSIONS = (b"BZh", b"PK\x03\x04", b"\xfd7zXZ", b"\x1f\x9d", b"\x28\xb5\x2f\xfd")


def read(path: Path, name: str | None) -> Decoded:
    """Read one image, chosen by the name or the number of its unit where there are several.

    BSCALE and BZERO are applied, and pixels of the value BLANK are missing.
    """
    fits = optional("astropy.io.fits", "fits", "FITS files")
    _check_compression(path)
    # Unscaled first: astropy turns scaled integers into float32, which is less than int32 needs.
    with fits.open(path, memmap=False, do_not_scale_image_data=True, lazy_load_hdus=False) as units:
        found = {_name(unit, index): unit for index, unit in enumerate(units) if _is_image(unit)}
        if name is not None and name.isdecimal() and int(name) < len(units):
            name = _name(units[int(name)], int(name))
        shapes = {key: tuple(unit.shape) for key, unit in found.items()}
        unit = found[chosen(likeliest(shapes, name), name, "images")]
        checked_shape(unit.shape, np.dtype(np.float64))
        header = unit.header
        # astropy removes the keywords once it has read the values.
        scale, zero, blank = (header.get(k) for k in ("BSCALE", "BZERO", "BLANK"))
        array = np.asarray(unit.data)
    array = array.astype(array.dtype.newbyteorder("="))
    missing = array == blank if blank is not None and array.dtype.kind in "iu" else None
    array = _scaled(array, 1.0 if scale is None else scale, 0.0 if zero is None else zero)
    letters = ("Q" * array.ndim + "YX")[-array.ndim :] if array.ndim > 2 else "YX"
    while array.ndim > 2 and array.shape[0] == 1:  # axes of one plane, as radio telescopes write
        array, letters = array[0], letters[1:]
        missing = None if missing is None else missing[0]
    hidden = (
        None
        if missing is None or not missing.any()
        else pages_of(missing, letters[-array.ndim :])[0]
    )
    pages, axes, shape = pages_of(as_counts(array), letters[-array.ndim :])
    return Decoded(pages, axes, shape, missing=hidden)


def _check_compression(path: Path) -> None:
    """Refuse a compressed file that does not fit into memory: its headers may be endless.

    Raises:
        MeasurementError: the same, or the compression is one that hides the size of its content.
    """
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"\x1f\x8b"):
        check_gzip(path)
    elif head.startswith(_COMPRESSIONS):  # astropy opens them under any name
        raise MeasurementError(
            "it is compressed by another program than gzip. Decompress it first."
        )


def _name(unit: Any, index: int) -> str:
    name = unit.name or str(index)
    return name if unit.ver in (None, 1) else f"{name},{unit.ver}"


def _is_image(unit: Any) -> bool:
    shape = getattr(unit, "shape", ())
    return bool(unit.is_image and shape and all(shape))


def _scaled(array: Any, scale: float, zero: float) -> Any:
    """Apply the linear scale of the header; a mere offset, as of unsigned integers, keeps integers."""
    if scale == 1 and zero == 0:
        return array
    if scale == 1 and array.dtype.kind in "iu" and float(zero).is_integer():
        shifted = array.astype(np.int64) + int(zero) if abs(zero) < 2**62 else None
        if shifted is not None:
            unsigned = {2**15: np.uint16, 2**31: np.uint32, -128: np.int8}.get(int(zero))
            return shifted.astype(unsigned or np.int64)
    return array * np.float64(scale) + zero
