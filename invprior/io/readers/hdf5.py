"""HDF5 files, and MAT files of version 7.3, by h5py in a process of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from invprior.io.readers import apart
from invprior.io.readers.base import (
    Decoded,
    checked_shape,
    chosen,
    likeliest,
    matlab,
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
    optional("h5py", "hdf5", "MAT files of version 7.3" if reverse else "HDF5 files")
    with apart.opened("hdf5", path) as file:
        found = {
            key: (shape, dtype) for key, (shape, dtype) in file.found.items() if dtype is not None
        }
        shapes = {key: shape for key, (shape, dtype) in found.items() if plain(dtype)}
        key = chosen(likeliest(shapes, name), name, "data sets", "/")
        checked_shape(*found[key])
        array, facts = file.read(key)
    letters = "".join(_LETTERS.get(label, "Q") for label in facts["labels"])
    if reverse:
        array = array.T
    if not reverse and letters.count("Y") == letters.count("X") == 1:
        decoded = Decoded(*pages_of(array, letters))
    elif reverse:
        decoded = matlab(array, f"The data set {facts['name']}")
    else:
        decoded = unnamed(array, f"The data set {facts['name']}")
    if facts["fill"] is None:
        return decoded
    return replace(decoded, missing=[page == facts["fill"] for page in decoded.pages])
