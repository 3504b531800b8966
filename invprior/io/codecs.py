"""Which library reads which file, without scaling the values."""

from __future__ import annotations

from pathlib import Path

from invprior.io.quiet import quiet
from invprior.io.readers import arrays, dicom, fits, hdf5, nifti, pillow, text, tiff
from invprior.io.readers.base import Array as Array
from invprior.io.readers.base import Decoded

_PILLOW = (
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".bmp",
    ".webp",
    ".pbm",
    ".pgm",
    ".ppm",
    ".pnm",
    ".jp2",
    ".j2k",
)
_TIFF = (".tif", ".tiff")
_FITS = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")
_HDF5 = (".h5", ".hdf5")
_DICOM = (".dcm", ".dicom")
_NIFTI = (".nii", ".nii.gz")
# Of files that may hold several images or signals, one of which a path names as in `scan.h5:/data`.
_SEVERAL = (*_TIFF, *_FITS, *_HDF5, ".mat", ".npz", *text.SUFFIXES)
# Of the files that can be read.
SUFFIXES = (
    *_PILLOW,
    *_TIFF,
    ".npy",
    ".npz",
    ".mat",
    *_FITS,
    *_DICOM,
    *_NIFTI,
    *_HDF5,
    *text.SUFFIXES,
)


def suffix_of(path: Path) -> str | None:
    """Return the suffix of a name in lower case, such as ".nii.gz"; None for one that is not read."""
    name = path.name.lower()
    return max((s for s in SUFFIXES if name.endswith(s)), key=len, default=None)


def split(path: Path) -> tuple[Path, str | None]:
    """Split `scan.h5:/data` into the file and the name of an image inside it; the name is None for a whole file."""
    if path.exists():
        return path, None
    text = str(path)
    for at in (i for i, letter in enumerate(text) if letter == ":"):
        if suffix_of(Path(text[:at])) in _SEVERAL and text[at + 1 :]:
            return Path(text[:at]), text[at + 1 :]
    return path, None


def decode(path: Path, suffix: str, name: str | None = None) -> Decoded:
    """Decode a file.

    Args:
        path: the file.
        suffix: one of `SUFFIXES`.
        name: which of several images in the file.

    Raises:
        MeasurementError: the content is not what invprior reads; the message tells the remedy.
        Exception: of nearly every type, as the libraries raise on broken files.
    """
    if path.stat().st_size == 0:
        raise ValueError("it is empty")
    with quiet():
        if suffix in _PILLOW:
            return pillow.read(path)
        if suffix in _TIFF:
            return tiff.read(path, name)
        if suffix == ".npy":
            return arrays.read_npy(path)
        if suffix == ".npz":
            return arrays.read_npz(path, name)
        if suffix == ".mat":
            return arrays.read_mat(path, name)
        if suffix in _FITS:
            return fits.read(path, name)
        if suffix in _DICOM:
            return dicom.read(path)
        if suffix in _NIFTI:
            return nifti.read(path)
        if suffix in text.SUFFIXES:
            return text.read(path, name)
        return hdf5.read(path, name)
