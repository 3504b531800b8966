"""NPY, NPZ and MAT files: arrays whose axes have no names."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from invprior.errors import MeasurementError
from invprior.io.readers import hdf5
from invprior.io.readers.base import Array, Decoded, checked_shape, chosen, plain, unnamed


def read_npy(path: Path) -> Decoded:
    """Read an array (H, W) or (H, W, C), or a stack of them."""
    # Mapped first, so that the room is checked before the values are read. Pickles can run code.
    mapped = np.load(path, allow_pickle=False, mmap_mode="r")
    checked_shape(mapped.shape, mapped.dtype)
    return documented(np.array(mapped), "The array")


def read_npz(path: Path, name: str | None) -> Decoded:
    """Read one array of an archive, chosen by its name where there are several."""
    with zipfile.ZipFile(path) as archive:
        sizes = {i.filename.removesuffix(".npy"): i.file_size for i in archive.infolist()}
    with np.load(path, allow_pickle=False) as content:
        key = chosen(content.files, name, "arrays")
        checked_shape((sizes.get(key, 0),), np.dtype(np.uint8))
        return documented(np.asarray(content[key]), f"The array {key}")


def read_mat(path: Path, name: str | None) -> Decoded:
    """Read one array of a MAT file, of version 7.3 (HDF5) or older."""
    with path.open("rb") as file:
        if b"MATLAB 7.3" in file.read(128):
            return hdf5.read(path, name, reverse=True)
    import scipy.io

    listed = {key: shape for key, shape, _ in scipy.io.whosmat(path)}
    key = chosen([k for k, shape in listed.items() if len(shape) >= 2], name, "arrays", "")
    checked_shape(listed[key], np.dtype(np.float64))
    array = np.asarray(scipy.io.loadmat(path, variable_names=[key])[key])
    if not plain(array.dtype):
        raise MeasurementError(f"its array {key} holds {array.dtype}, not real numbers.")
    return unnamed(array, f"Its array {key}")


def documented(array: Array, what: str) -> Decoded:
    """Return a NumPy array; the reading of grey and colours, (H, W, C), is documented and needs no note."""
    decoded = unnamed(array, what)
    if array.ndim == 2 or (array.ndim == 3 and array.shape[-1] <= 4 and "S" in decoded.axes):
        return replace(decoded, notes=())
    return decoded
