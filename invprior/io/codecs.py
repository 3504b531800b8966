"""PNG, JPEG, TIFF, NPY and NPZ files to arrays and back, without scaling the values."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from invprior.io import png16

Array: TypeAlias = NDArray[Any]

# The value types of each format. The first is the default.
DEPTHS: Mapping[str, tuple[str, ...]] = {
    ".png": ("uint8", "uint16"),
    ".jpg": ("uint8",),
    ".jpeg": ("uint8",),
    ".tif": ("float32", "uint8", "uint16"),
    ".tiff": ("float32", "uint8", "uint16"),
    ".npy": ("float32", "float64", "uint8", "uint16"),
    ".npz": ("float32", "float64", "uint8", "uint16"),
}


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
