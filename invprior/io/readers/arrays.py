"""NPY, NPZ and MAT files: arrays whose axes have no names."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from invprior.errors import MeasurementError
from invprior.io.readers import apart, hdf5
from invprior.io.readers.base import (
    Array,
    Decoded,
    checked_shape,
    chosen,
    likeliest,
    matlab,
    plain,
    unnamed,
)


def read_npy(path: Path) -> Decoded:
    """Read an array (N,), (H, W) or (H, W, C), or a stack of images."""
    return documented(npy(path), "The array")


def read_npz(path: Path, name: str | None) -> Decoded:
    """Read one array of an archive, chosen by its name where there are several."""
    array, key = npz(path, lambda names: chosen(names, name, "arrays"))
    return documented(array, f"The array {key}")


def npy(path: Path) -> Array:
    """Read the array of an NPY file, of any shape and type."""
    with path.open("rb") as file:
        _check_header(file)
        file.seek(0)
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def npz(path: Path, choose: Callable[[list[str]], str]) -> tuple[Array, str]:
    """Read one array of an archive, of any shape and type, and return its name too.

    Args:
        path: the file.
        choose: returns one of the names of the arrays, or raises an error.
    """
    with zipfile.ZipFile(path) as archive:
        members = {n.removesuffix(".npy"): n for n in archive.namelist() if n.endswith(".npy")}
        name = choose(list(members))
        with archive.open(members[name]) as file:
            _check_header(file)
        with archive.open(members[name]) as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False)), name


def _check_header(file: IO[bytes]) -> None:
    """Refuse an array by the shape and the type in its header; pickles, which can run code, are refused by NumPy."""
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:  # of the third, which only arrays of records have
        raise ValueError(f"its version of the format, {version}, holds no plain numbers")
    shape, _, dtype = read(file)
    checked_shape(shape, dtype)


def read_mat(path: Path, name: str | None) -> Decoded:
    """Read one array of a MAT file, of version 7.3 (HDF5) or older."""
    with path.open("rb") as file:
        if b"MATLAB 7.3" in file.read(128):
            return hdf5.read(path, name, reverse=True)
    with apart.opened("mat", path) as content:
        shapes = {key: shape for key, (shape, _) in content.found.items()}
        key = chosen(likeliest(shapes, name), name, "arrays", "")
        checked_shape(shapes[key], np.dtype(np.float64))
        array, _ = content.read(key)
    if not plain(array.dtype):
        raise MeasurementError(f"its array {key} holds {array.dtype}, not real numbers.")
    return matlab(array, f"Its array {key}")


def documented(array: Array, what: str) -> Decoded:
    """Return a NumPy array; the reading of grey and colours, (H, W, C), is documented and needs no note."""
    decoded = unnamed(array, what)
    if array.ndim <= 2 or (array.ndim == 3 and array.shape[-1] <= 4 and "S" in decoded.axes):
        return replace(decoded, notes=())
    return decoded
