"""The values of files and arrays as those of images: which are scaled by their type, and which are kept."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from invprior.io.readers.base import Array

# Integer types whose maximum stands for white, and that value. Other integers are counts of a unit and stay as they
# are. Looked up by name, because numpy's dtypes of another byte order are not equal and torch has dtypes of its own.
TOPS = {"bool": 1, "uint8": 255, "uint16": 65535}
Precision: TypeAlias = np.dtype[np.float32] | np.dtype[np.float64]
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_COMPLEX = {FLOAT32: np.complex64, FLOAT64: np.complex128}


def precision_of(dtype: torch.dtype) -> Precision:
    """Return the type in which values are read for a dtype of torch."""
    return FLOAT64 if dtype == torch.float64 else FLOAT32


def scaled(array: Array, precision: Precision = FLOAT32) -> NDArray[Any]:
    """Check an array (H, W) or (H, W, C); return it as (H, W, C), floats; 8 and 16 bits without a sign in [0, 1].

    A signal (N,) becomes one row, (1, N, 1). Complex numbers stay complex, in the precision.

    Raises:
        ValueError: it has another shape, or no numbers.
    """
    if array.ndim == 1:
        array = array[None]
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.size == 0:
        raise ValueError(f"expected the shape (N,), (H, W) or (H, W, C), got {array.shape}")
    height, width, channels = array.shape
    # An array (C, H, W) would pass for an image of C rows; torch users bring such arrays.
    if channels > 4 and channels >= min(height, width):
        raise ValueError(
            f"the last axis of the shape {array.shape} must be the channels; move it there "
            "(transpose), or pass a torch tensor (C, H, W)"
        )
    return in_units(array, precision)


def in_units(array: Array, precision: Precision = FLOAT32) -> NDArray[Any]:
    """Return floats of any shape; booleans and 8 and 16 bits without a sign in [0, 1], other numbers as they are.

    Complex numbers stay complex, in the precision.

    Raises:
        ValueError: they are not numbers.
    """
    if array.dtype.kind not in "biufc":
        raise ValueError(f"its values are {array.dtype}, expected numbers")
    with np.errstate(over="ignore"):  # beyond float32 lies infinity, which the caller sees
        if array.dtype.kind == "c":
            return array.astype(_COMPLEX[precision])
        values: NDArray[Any] = array.astype(precision)
    top = TOPS.get(array.dtype.name)
    if top not in (None, 1):
        values /= precision.type(top)
    return values


def depth_of(dtype: np.dtype[Any]) -> str:
    """Return the type in which values can be written, by the type in which they were read."""
    name = dtype.name
    if dtype.kind == "f":
        return (
            name
            if name in ("float32", "float64")
            else "float32"
            if name == "float16"
            else "float64"
        )
    return "uint8" if name == "bool" else name
