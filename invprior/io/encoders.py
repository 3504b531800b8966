"""Arrays to files of every format that is written, without scaling the values."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from invprior.io import pillow_encoder, tiff_encoder
from invprior.io.metadata import Metadata
from invprior.io.readers.base import Array, optional
from invprior.io.readers.text import SUFFIXES as TEXTS

_INTEGERS = ("uint8", "uint16", "int16", "int32", "uint32")
_NUMBERS = ("float32", "float64", *_INTEGERS)
COMPLEX = ("complex64", "complex128")
# The value types of each format. The first is the default.
DEPTHS: Mapping[str, tuple[str, ...]] = {
    ".png": ("uint8", "uint16"),
    ".jpg": ("uint8",),
    ".jpeg": ("uint8",),
    ".tif": _NUMBERS,
    ".tiff": _NUMBERS,
    ".npy": (*_NUMBERS, *COMPLEX),
    ".npz": (*_NUMBERS, *COMPLEX),
    ".bmp": ("uint8",),
    ".webp": ("uint8",),
    ".pgm": ("uint8", "uint16"),
    ".ppm": ("uint8", "uint16"),
    ".pnm": ("uint8", "uint16"),
    ".jp2": ("uint8", "uint16"),
    ".mat": _NUMBERS,
    ".h5": _NUMBERS,
    ".hdf5": _NUMBERS,
    **dict.fromkeys((".fits", ".fit", ".fts", ".fits.gz"), _NUMBERS),
    ".nii": _NUMBERS,
    ".nii.gz": _NUMBERS,
    **dict.fromkeys(TEXTS, ("float32", "float64")),
}
LOSSY = (".jpg", ".jpeg")
FLAT = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".ppm", ".pnm", ".jp2")  # one page each
GREY = (".pgm", ".fits", ".fit", ".fts", ".fits.gz", ".nii", ".nii.gz")  # one channel
COLOURS = tuple(suffix for suffix in FLAT if suffix not in GREY)  # 1 or 3 channels
# Formats that hold arrays of one dimension.
OF_SIGNALS = (".npy", ".npz", ".mat", ".h5", ".hdf5", ".fits", ".fit", ".fts", ".fits.gz", *TEXTS)
WITH_ALPHA = (".png", ".tif", ".tiff", ".webp")
_PHOTO = ("colour profile", "resolution", "EXIF", "description")
_TIFF = (*_PHOTO, "OME-XML", "ImageJ metadata", "GeoTIFF tags", "GDAL metadata", "nodata tag")
# The kinds of metadata that each format holds.
HELD: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg"), _PHOTO),
    ".webp": ("colour profile", "EXIF"),
    **dict.fromkeys((".tif", ".tiff"), _TIFF),
    **dict.fromkeys((".fits", ".fit", ".fts", ".fits.gz"), ("FITS header",)),
    **dict.fromkeys((".nii", ".nii.gz"), ("NIfTI header",)),
}


def suffix_of(path: Path) -> str | None:
    """Return the suffix of a name in lower case, such as ".nii.gz"; None for one that is not written."""
    name = path.name.lower()
    return max((s for s in DEPTHS if name.endswith(s)), key=len, default=None)


def holds_complex(path: Path) -> bool:
    """Return whether the format of a path's suffix holds complex numbers."""
    return COMPLEX[0] in DEPTHS.get(suffix_of(path) or "", ())


def package_for(suffix: str) -> Any:
    """Import the package that writes a format, if it is not always installed.

    Raises:
        MeasurementError: it is missing; the message names the command that installs it.
    """
    if suffix.startswith((".fit", ".fts")):
        return optional("astropy.io.fits", "fits", "FITS files")
    if suffix.startswith(".nii"):
        return optional("nibabel", "nifti", "NIfTI files")
    if suffix in (".h5", ".hdf5"):
        return optional("h5py", "hdf5", "HDF5 files")
    return None


def encode(
    file: BinaryIO,
    suffix: str,
    array: Array | list[Array],
    *,
    alpha: bool,
    axes: str = "YXS",
    premultiplied: bool = False,
    about: Metadata | None = None,
) -> None:
    """Write an array in the format of a suffix.

    Args:
        file: takes the bytes.
        suffix: one of `DEPTHS`.
        array: of a type in `DEPTHS`; (H, W, C) for the formats `FLAT`; (N,) for text. A list of pages that
            differ in size, (H, W, C), for TIFF.
        alpha: whether the last channel is alpha.
        axes: a letter for each axis, see `invprior.io.images.Stack`.
        premultiplied: whether the colours are multiplied by alpha.
        about: the metadata, of which the file gets those that it holds.
    """
    about = Metadata() if about is None else about
    if suffix in (".tif", ".tiff"):
        tiff_encoder.encode(file, array, axes, alpha, premultiplied, about)
        return
    if isinstance(array, list):
        raise ValueError("its images differ in size, which TIFF alone holds")
    flat = array[..., 0] if axes.endswith("S") and array.shape[-1] == 1 else array
    if suffix in TEXTS:
        _write_text(file, flat)
    elif suffix == ".npy":
        np.save(file, flat)
    elif suffix == ".npz":
        np.savez_compressed(file, x=flat)
    elif suffix == ".mat":
        import scipy.io

        scipy.io.savemat(file, {"x": flat})
    elif suffix in (".h5", ".hdf5"):
        _write_hdf5(file, suffix, flat, axes)
    elif suffix.startswith((".fit", ".fts")):
        _write_fits(file, suffix, _planes(flat, axes), about)
    elif suffix.startswith(".nii"):
        _write_nifti(file, suffix, _planes(flat, axes), about)
    else:
        pillow_encoder.encode(file, suffix, array, about)


def _planes(array: Array, axes: str) -> Array:
    """Return an array whose last two axes are rows and columns; channels come before them."""
    if array.ndim == len(axes) and axes.endswith("S"):
        return np.moveaxis(array, -1, -3)
    return array


def _write_text(file: BinaryIO, array: Array) -> None:
    """Write a number in each line, with the digits that it needs to be read back."""
    if array.ndim != 1:
        raise ValueError(f"text holds a signal, one column; the shape is {array.shape}")
    short = array.astype(np.float32)
    values = short if np.array_equal(short, array, equal_nan=True) else array
    file.write("".join(f"{value!s}\n" for value in values).encode())


def _write_hdf5(file: BinaryIO, suffix: str, array: Array, axes: str) -> None:
    content = io.BytesIO()
    with package_for(suffix).File(content, "w") as group:
        data = group.create_dataset("x", data=array)
        for dimension, letter in zip(data.dims, axes, strict=False):
            dimension.label = {"S": "c"}.get(letter, letter.lower())
    file.write(content.getbuffer())


def _write_fits(file: BinaryIO, suffix: str, array: Array, about: Metadata) -> None:
    fits = package_for(suffix)
    header = fits.Header() if about.header is None else fits.Header.fromstring(about.header, "\n")
    content = io.BytesIO()
    fits.PrimaryHDU(array, header).writeto(content, output_verify="silentfix")
    data = content.getvalue()
    file.write(gzip.compress(data) if suffix.endswith(".gz") else data)


def _write_nifti(file: BinaryIO, suffix: str, array: Array, about: Metadata) -> None:
    nibabel = package_for(suffix)
    kind = nibabel.Nifti1Image
    header = None
    if about.nifti is not None:
        # The block of NIfTI-2 is longer.
        kind = kind if len(about.nifti) == 348 else nibabel.Nifti2Image
        header = kind.header_class(about.nifti, check=False)
    affine = np.eye(4) if header is None else header.get_best_affine()
    image = kind(array.T, affine, header, dtype=array.dtype)  # NIfTI begins with X
    image.header.set_slope_inter(1, 0)
    data = image.to_bytes()
    file.write(gzip.compress(data) if suffix.endswith(".gz") else data)
