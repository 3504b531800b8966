"""Save images in the format of a file's name: depth, range and alpha as in the image they come from."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from invprior.errors import MeasurementError, refuse_complex
from invprior.io import encoders, files
from invprior.io.codecs import Array
from invprior.io.images import TOPS, Image
from invprior.io.metadata import Metadata, for_values
from invprior.io.readers.text import SUFFIXES as TEXTS


def writable(
    path: str | PathLike[str],
    *,
    like: Image | None = None,
    channels: int | None = None,
    rows: int | None = None,
    pages: int = 1,
    overwrite: bool = False,
) -> Path:
    """Check that `save` can write here, without creating the file; call this before a long run.

    Args:
        path: the file to be.
        like: the image whose depth and alpha channel the file will have.
        channels: number of channels of x, when known.
        rows: number of rows of x, when known; 1 for a signal.
        pages: number of images.
        overwrite: whether an existing file may be replaced.

    Raises:
        MeasurementError: the format is unknown, needs a package that is missing, or cannot hold the alpha channel, the
            number of channels or rows, or that of images; or the file cannot be written.
    """
    path = Path(path)
    suffix = _suffix(path)
    name = suffix[1:].upper()
    encoders.package_for(suffix)
    if like is not None and like.alpha is not None and suffix not in encoders.WITH_ALPHA:
        raise MeasurementError(
            f'Cannot write "{path}": a {name} file cannot hold the alpha channel of '
            f'"{like.path}". Write .png or .tif, or remove the alpha channel first.'
        )
    if suffix in TEXTS and {channels, rows, pages} - {None, 1}:
        raise MeasurementError(
            f'Cannot write "{path}": a {name} file holds one signal, a column of numbers; this is an image. Write .npy '
            "or .tif."
        )
    if channels not in (None, 1) and suffix in encoders.GREY:
        raise MeasurementError(
            f'Cannot write "{path}": a {name} file has 1 channel, this image {channels}. Write .tif or .npy.'
        )
    if channels not in (None, 1, 3) and suffix in encoders.COLOURS:
        raise MeasurementError(
            f'Cannot write "{path}": a {name} file has 1 or 3 channels, this image '
            f"{channels}. Write .tif or .npy."
        )
    if pages > 1 and suffix in encoders.FLAT:
        raise MeasurementError(
            f'Cannot write "{path}": a {name} file holds one image, this stack {pages}. Write .tif or .npy.'
        )
    return files.writable(path, overwrite=overwrite)


def default_suffix(like: Image, channels: int, pages: int = 1, rows: int | None = None) -> str:
    """Return the suffix of a result that nobody has named: that of its source, where the format holds it.

    Args:
        like: the source.
        channels: of the result.
        pages: number of images.
        rows: of the result, when known; a result of one row keeps its values in a format of arrays.
    """
    own = None if like.path is None else encoders.suffix_of(like.path)
    if like.depth in encoders.COMPLEX:
        return own if own is not None and like.depth in encoders.DEPTHS[own] else ".npy"
    if own is not None and own not in encoders.LOSSY and like.depth in encoders.DEPTHS[own]:
        held = 1 if own in encoders.GREY else 3 if own in encoders.COLOURS else channels
        opaque = like.alpha is None or own in encoders.WITH_ALPHA
        if own in TEXTS and (rows not in (None, 1) or channels > 1 or pages > 1):
            return ".npy"
        if channels in (1, held) and opaque and (pages == 1 or own not in encoders.FLAT):
            return own
    if like.is_signal and rows in (None, 1):
        return ".npy"
    return ".png" if channels in (1, 3) and like.depth in TOPS and pages == 1 else ".tif"


def save(
    path: str | PathLike[str],
    x: Tensor,
    *,
    depth: str | None = None,
    like: Image | None = None,
    overwrite: bool = False,
) -> None:
    """Write an image in the format of the path's suffix.

    uint8 and uint16 clip x to [0, 1], multiply it by the maximum of the type and round. Other integers are counts:
    x is rounded and clipped to the range of the type. Float depths keep every value. Complex x needs .npy or .npz, and
    keeps its own type; for a picture give its magnitude, x.abs().

    Args:
        path: its suffix names the format, one of `encoders.DEPTHS`. JPEG has quality 95.
        x: (1, C, H, W), or a signal (N,), which is written as an array of one dimension where the format has such, and
            else as an image of one row. PNG and JPEG take 1 or 3 channels, and text and CSV files a signal.
        depth: type of the values in the file, such as "uint16". When absent, the depth of `like`, or the
            deepest below it that the format has. Without `like`, 8 bits for PNG and JPEG and floats
            for the other formats.
        like: an image whose depth, alpha channel and metadata the file takes. Its alpha is resized when x has
            another size.
        overwrite: whether an existing file may be replaced.

    Raises:
        MeasurementError: the folder, the format or the values do not allow it. No file is left
            behind.
    """
    save_stack(path, [x], depth=depth, like=None if like is None else [like], overwrite=overwrite)


def save_stack(
    path: str | PathLike[str],
    x: Sequence[Tensor],
    *,
    depth: str | None = None,
    like: Sequence[Image] | None = None,
    overwrite: bool = False,
) -> None:
    """Write several images into one file. The arguments are those of `save`, with an x and a source for each image.

    The axes are those of the file that the images came from.
    """
    signal = x[0].dim() == 1
    x = [image[None, None, None] if image.dim() == 1 else image for image in x]
    # Pages share the type of the first.
    takes_complex = encoders.holds_complex(Path(path)) and x[0].is_complex()
    for image in x:
        if not takes_complex:
            refuse_complex(image.dtype, f'An image for "{path}"')
        if image.dim() != 4 or image.shape[0] != 1:
            raise MeasurementError(
                f'Cannot write "{path}": a file takes one image (1, C, H, W) or one signal (N,); got '
                f"{tuple(image.shape)}."
            )
    first = None if like is None else like[0]
    _, channels, rows, _ = x[0].shape
    path = writable(
        path, like=first, channels=channels, rows=rows, pages=len(x), overwrite=overwrite
    )
    suffix = _suffix(path)
    depth = _depth(path, suffix, x[0], depth, first)
    sources = [None] * len(x) if like is None else like
    pages = [_page(path, i, depth, s) for i, s in zip(x, sources, strict=True)]
    about = Metadata() if first is None else first.metadata
    if signal or (suffix in TEXTS and "X" not in about.axes):
        about = replace(about, axes="X", shape=(x[0].shape[-1],))
    size = tuple(x[0].shape[2:])
    if first is not None and about.size != size:
        about = about.without_places()
    arrays, axes = _arranged(pages, suffix, about)
    # Encoded in memory first: a fault of the encoder then differs from a full disk, and leaves no file.
    content = io.BytesIO()
    try:
        encoders.encode(
            content,
            suffix,
            arrays,
            alpha=first is not None and first.alpha is not None,
            axes=axes,
            premultiplied=first is not None and first.premultiplied,
            about=for_values(about, np.concatenate([a.ravel() for a in pages])),
        )
    except MeasurementError:
        raise
    except Exception as error:  # encoders raise nearly every type
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise MeasurementError(
            f'Cannot write "{path}" as a {suffix[1:].upper()} file: {reason.rstrip(".")}. Write another format, such '
            "as .tif or .npy."
        ) from error
    with files.atomic(path, overwrite=overwrite) as file:
        file.write(content.getbuffer())


def save_numbers(path: str | PathLike[str], values: Tensor, *, overwrite: bool = False) -> None:
    """Write a measurement that is no image, such as a vector, as it is; a leading dimension of length 1 is left out.

    Args:
        path: a .npy or .npz file.
        values: (1, ...) or of several measurements (N, ...), float32, float64 or complex.
        overwrite: whether an existing file may be replaced.

    Raises:
        MeasurementError: the format is another one, or the file cannot be written.
    """
    path = check_numbers(path, overwrite=overwrite)
    array = values.detach().cpu().numpy()
    while array.ndim > 1 and len(array) == 1:
        array = array[0]
    content = io.BytesIO()
    encoders.encode(content, _suffix(path), array, alpha=False, axes="")
    with files.atomic(path, overwrite=overwrite) as file:
        file.write(content.getbuffer())


def check_numbers(path: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """Check that `save_numbers` can write here, without creating the file.

    Raises:
        MeasurementError: as `save_numbers` raises.
    """
    path = Path(path)
    if path.suffix.lower() not in (".npy", ".npz"):
        raise MeasurementError(
            f'Cannot write "{path}": the measurement is no image, but numbers. Write .npy or .npz.'
        )
    return files.writable(path, overwrite=overwrite)


def _page(path: Path, x: Tensor, depth: str, like: Image | None) -> Array:
    """Return the values of a file, (H, W, C), with alpha."""
    x = x.detach().cpu()
    if like is not None and like.alpha is not None:
        alpha = like.alpha.to(x)
        if alpha.shape[2:] != x.shape[2:]:
            alpha = torch.nn.functional.interpolate(
                alpha, x.shape[2:], mode="bilinear", antialias=True
            )
        if like.premultiplied and _suffix(path) in (".tif", ".tiff"):
            x = x * alpha
        floats = depth.startswith(("float", "complex"))
        opaque = 1 if depth in TOPS or floats else np.iinfo(depth).max
        x = torch.cat([x, alpha * opaque], 1)
    return _levels(path, x, depth)


def _levels(path: Path, x: Tensor, depth: str) -> Array:
    """Return an image (1, C, H, W) as the values of a file, (H, W, C).

    Raises:
        MeasurementError: NaN cannot be an integer.
    """
    array: Array = x[0].permute(1, 2, 0).numpy()
    if not depth.startswith(("float", "complex")):
        if np.isnan(array).any():
            raise MeasurementError(
                f'Cannot write "{path}" with integers: the image has NaN. '
                "Write .npy, .npz or float .tif."
            )
        limits = np.iinfo(depth)
        low, high, top = (0, 1, limits.max) if depth in TOPS else (limits.min, limits.max, 1)
        # In float64, where x * 65535 + 0.5 is exact enough; np.round would round halves to even.
        array = np.floor(array.astype(np.float64).clip(low, high) * top + 0.5)
    return np.ascontiguousarray(array, dtype=depth)


def _arranged(pages: list[Array], suffix: str, about: Metadata) -> tuple[Array | list[Array], str]:
    """Return pages (H, W, C) as one array with the axes of the source; a list of pages that differ in size."""
    axes = about.axes
    signals = "X" in axes and "Y" not in axes
    if signals and (suffix not in encoders.OF_SIGNALS or any(len(page) > 1 for page in pages)):
        axes = ""  # written as images
    if suffix in encoders.FLAT or (not axes and len(pages) == 1):
        return pages[0], "YXS"
    if len({page.shape for page in pages}) > 1:
        return pages, "YXS"
    channel = "S" if "S" in axes else "C" if "C" in axes else ""
    space = "X" if signals else "YX"
    last = [axes.index(letter) for letter in space + channel] if axes and about.size else []
    first = [axis for axis in range(len(axes)) if axis not in last]
    lengths = [about.shape[axis] for axis in first]
    stacked = np.stack(pages)
    if not last or prod(lengths) != len(pages) or not (channel or stacked.shape[-1] == 1):
        return stacked, "QYXS"
    sides = stacked.shape[2 if signals else 1 : 4 if channel else 3]
    stacked = stacked.reshape((*lengths, *sides))
    return stacked.transpose(np.argsort([*first, *last])), axes


def _suffix(path: Path) -> str:
    suffix = encoders.suffix_of(path)
    if suffix is None:
        raise MeasurementError(
            f'The format of "{path}" is unknown; its name must end in {", ".join(encoders.DEPTHS)}. '
            "Rename it."
        )
    return suffix


def _depth(path: Path, suffix: str, x: Tensor, depth: str | None, like: Image | None) -> str:
    held = encoders.DEPTHS[suffix]
    if x.is_complex():  # a real type would keep the real part alone
        depth, like = str(x.dtype).removeprefix("torch."), None
    if depth is not None:
        if depth not in held:
            raise MeasurementError(
                f'Cannot write "{path}" as {depth}; the format holds {", ".join(held)}.'
            )
        return depth
    if like is not None:
        if like.depth in held:
            return like.depth
        # `like` is deeper than the format allows: take the deepest type that it has.
        return "float32" if "float32" in held else held[-1]
    return "float64" if x.dtype == torch.float64 and "float64" in held else held[0]
