"""Arrays to PNG, JPEG, TIFF, NPY and NPZ files, without scaling the values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from invprior.io import png16
from invprior.io.codecs import Array

_INTEGERS = ("uint8", "uint16", "int16", "int32", "uint32")
# The value types of each format. The first is the default.
DEPTHS: Mapping[str, tuple[str, ...]] = {
    ".png": ("uint8", "uint16"),
    ".jpg": ("uint8",),
    ".jpeg": ("uint8",),
    ".tif": ("float32", "float64", *_INTEGERS),
    ".tiff": ("float32", "float64", *_INTEGERS),
    ".npy": ("float32", "float64", *_INTEGERS),
    ".npz": ("float32", "float64", *_INTEGERS),
}
LOSSY = (".jpg", ".jpeg")
COLOURS = (".png", ".jpg", ".jpeg")  # these hold 1 or 3 channels
WITH_ALPHA = (".png", ".tif", ".tiff")


def encode(file: BinaryIO, suffix: str, array: Array, *, alpha: bool) -> None:
    """Write an array in the format of a suffix.

    Args:
        file: takes the bytes.
        suffix: the file name's suffix in lower case, with the dot.
        array: (H, W, C), of a type in `DEPTHS`.
        alpha: whether the last channel is alpha.
    """
    flat = array[..., 0] if array.shape[-1] == 1 else array
    if suffix == ".npy":
        np.save(file, flat)
    elif suffix == ".npz":
        np.savez_compressed(file, x=flat)
    elif suffix in (".tif", ".tiff"):
        import tifffile

        colours = array.shape[-1] - alpha
        # TIFF's ExtraSamples: 0 for unspecified channels, 2 for unassociated alpha.
        extra = [2] * alpha if colours in (1, 3) else [0] * (colours - 1) + [2] * alpha
        tifffile.imwrite(
            file,
            flat,
            photometric="rgb" if colours == 3 else "minisblack",
            planarconfig="contig" if flat.ndim == 3 else None,
            extrasamples=extra or None,
            compression="zlib",
            metadata=None,
        )
    elif array.dtype == np.uint16:  # only PNG is left among the formats that hold it
        png16.encode(file, array)
    else:
        from PIL import Image

        image = Image.fromarray(flat)
        if suffix == ".png":
            image.save(file, "PNG")
        else:
            image.save(file, "JPEG", quality=95, subsampling=0)  # 0: chroma at full resolution
