"""PNG, JPEG, TIFF, NPY and NPZ files to arrays, without scaling the values."""

from __future__ import annotations

import io
import warnings
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from invprior.io import png16

Array: TypeAlias = NDArray[Any]

# Of the files that can be read.
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy", ".npz")


def decode(data: bytes, suffix: str) -> tuple[Array, bool]:
    """Decode the bytes of a file.

    Args:
        data: the whole file.
        suffix: the file name's suffix in lower case, with the dot.

    Returns:
        The values, (H, W) or (H, W, C), upright, and whether the last channel is alpha.

    Raises:
        Exception: of nearly every type, as the decoders raise on broken files.
    """
    if not data:
        raise ValueError("it is empty")
    if suffix in (".npy", ".npz"):
        return _read_numpy(data), False
    if suffix in (".tif", ".tiff"):
        return _read_tiff(data)
    return _read_pillow(data)


def _read_numpy(data: bytes) -> Array:
    content = np.load(io.BytesIO(data), allow_pickle=False)  # pickles can run code
    if isinstance(content, np.ndarray):
        return content
    with content:
        if len(content.files) != 1:
            raise ValueError(
                f"it holds {len(content.files)} arrays ({', '.join(content.files)}), not one"
            )
        return np.asarray(content[content.files[0]])


def _read_tiff(data: bytes) -> tuple[Array, bool]:
    """Read with tifffile, which knows every depth, or with Pillow, which decodes LZW and JPEG."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        if len(tiff.pages) != 1:
            raise ValueError(f"it holds {len(tiff.pages)} pages, not one")
        page = tiff.pages.first
        plain = page.photometric in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB)
        # 1, 8, 32773 and 32946 are no compression, Deflate, PackBits and the old Deflate.
        if not plain or page.compression not in (1, 8, 32773, 32946) or page.bitspersample == 1:
            if page.bitspersample > 8:  # Pillow would cut colours to 8 bits
                raise ValueError("16 bits with this compression are not supported; save it without")
            return _read_pillow(data)
        array = page.asarray()
        if page.axes == "SYX":  # channels as separate planes
            array = np.moveaxis(array, 0, -1)
        orientation = page.tags.valueof(274, 1)
        alpha = any(int(kind) in (1, 2) for kind in page.extrasamples)
    if alpha and array.shape[-1] not in (2, 4):
        raise ValueError(f"it has {array.shape[-1]} channels, one of them alpha; expected 2 or 4")
    return _oriented(array, orientation), alpha


def _read_pillow(data: bytes) -> tuple[Array, bool]:
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        # Pillow's warnings are about metadata, except that of an image too large to trust.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data)) as image:
            if png16.is_png16(data):
                array = _oriented(png16.decode(data), image.getexif().get(274, 1))
                return array, array.shape[-1] in (2, 4)
            # MPO is the JPEG of some cameras, with further images behind the main one.
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                raise ValueError("it holds several images, not one")
            image.load()
            turned = ImageOps.exif_transpose(image)
    alpha = turned.has_transparency_data
    # Palettes and bits are expanded, and a transparent colour becomes an alpha channel.
    if turned.mode in ("P", "PA", "1"):
        grey = turned.mode == "1"
        turned = turned.convert("L" if grey else "RGBA" if alpha else "RGB")
    elif alpha and turned.mode in ("L", "RGB"):
        turned = turned.convert(turned.mode + "A")
    if turned.mode not in ("L", "LA", "RGB", "RGBA", "I;16", "F"):
        raise ValueError(f"its colour mode is {turned.mode}; convert it to grey or RGB")
    return np.asarray(turned), alpha


def _oriented(array: Array, orientation: int) -> Array:
    """Turn an image (H, W, ...) upright by its EXIF orientation, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
