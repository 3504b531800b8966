"""HDF5 files, and MAT files of version 7.3, by h5py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from invprior.io.readers.base import (
    Decoded,
    checked_shape,
    chosen,
    optional,
    pages_of,
    plain,
    unnamed,
)

_LETTERS = {
    "y": "Y",
    "row": "Y",
    "x": "X",
    "column": "X",
    "c": "C",
    "channel": "C",
    "z": "Z",
    "t": "T",
    "time": "T",
}


def read(path: Path, name: str | None, *, reverse: bool = False) -> Decoded:
    """Read one data set, chosen by its path where there are several.

    Args:
        path: the file.
        name: path of the data set in the file, or None.
        reverse: whether the order of the axes is MATLAB's.
    """
    h5py = optional("h5py", "hdf5", "MAT files of version 7.3" if reverse else "HDF5 files")
    with h5py.File(path, "r") as file:
        names: list[str] = []

        def collect(key: str, item: Any) -> None:
            hidden = key.startswith("#")  # MATLAB's own tables
            if (
                isinstance(item, h5py.Dataset)
                and item.ndim >= 2
                and plain(item.dtype)
                and not hidden
            ):
                names.append(key)

        file.visititems(collect)
        data = file[chosen(names, name, "data sets", "/")]
        checked_shape(data.shape, data.dtype)
        labels = [d.label.lower() for d in data.dims]
        fill = data.attrs.get("_FillValue", data.attrs.get("missing_value"))
        key, array = data.name, np.asarray(data[()])
    letters = "".join(_LETTERS.get(label, "Q") for label in labels)
    if reverse:
        array = array.T
    if not reverse and letters.count("Y") == letters.count("X") == 1:
        decoded = Decoded(*pages_of(array, letters))
    else:
        decoded = unnamed(array, f"The data set {key}")
    if fill is None:
        return decoded
    hidden = [page == np.asarray(fill).ravel()[0] for page in decoded.pages]
    return replace(decoded, missing=hidden)
