"""Values that stand for missing pixels, compared exactly in the type of the file."""

from __future__ import annotations

from typing import Any

import numpy as np

from invprior.io.readers.base import Array


def is_nodata(array: Array, value: str | float, dtype: np.dtype[Any] | None = None) -> Array:
    """Return where an array holds a value, boolean; nowhere when its type cannot hold it.

    Args:
        array: numbers of any type.
        value: a number or its text, as -9999, "-3.4028234663852886e+38" or "nan".
        dtype: type of the file, where the array has been converted from it.
    """
    dtype = dtype or array.dtype
    number = typed(dtype, value)
    if number is None:
        return np.zeros(array.shape, bool)
    if number != number:
        return np.isnan(array)
    if dtype.kind == "f":
        limit = np.finfo(dtype).max
        # The lowest float32 is often written with few digits, as -3.4e38, which is another number.
        if 0.999 * limit < abs(float(value)) < 1.001 * float(limit):
            return np.asarray(array * np.sign(number) > 0.999 * limit)
    with np.errstate(over="ignore"):
        return np.asarray(array == array.dtype.type(number))


def typed(dtype: np.dtype[Any], value: str | float) -> Any:
    """Return a value, or that of a text, as a scalar of a type; None when the type cannot hold it."""
    try:
        wide = float(value)
    except ValueError:
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            number = dtype.type(wide)
        return (
            None
            if np.isinf(number) and 1.001 * float(np.finfo(dtype).max) < abs(wide) < np.inf
            else number
        )
    if not wide.is_integer():  # NaN and infinity included
        return None
    try:
        whole = int(value)  # text of a large integer keeps its digits
    except ValueError:
        whole = int(wide)
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    if limits is not None and not limits.min <= whole <= limits.max:
        return None
    return dtype.type(whole)
