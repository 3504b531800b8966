"""Load images as tensors, with depth, range, alpha and missing pixels; and convert arrays to tensors."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from invprior.errors import MeasurementError
from invprior.io import codecs, files, sources
from invprior.io.arraylike import ArrayLike, read_array
from invprior.io.codecs import Array
from invprior.io.metadata import Metadata, read
from invprior.io.quiet import quiet
from invprior.io.readers.base import Decoded
from invprior.io.readers.text import SUFFIXES as TEXTS
from invprior.io.values import TOPS as TOPS
from invprior.io.values import Precision, depth_of, precision_of, scaled


@dataclass(frozen=True)
class Image:
    """An image, with the properties of its file that `save` can give to another image.

    Attributes:
        x: (1, C, H, W), and (1, C, 1, N) of a signal, float32 or float64, or complex64 or complex128 where the file
            holds complex numbers. uint8 and uint16 are scaled to [0, 1] by the maximum of their type; other integers
            and floats are as in the file. NaN where a value is missing.
        depth: type of the values in the file: "uint8", "int32", "float32" or the like.
        alpha: opacity, (1, 1, H, W), in [0, 1]; None when the file has no alpha channel.
        path: the file.
        premultiplied: whether the colours in the file are multiplied by alpha; those of x are not.
        notes: a sentence for each guess and for what is left out.
        metadata: what else the file says, and its axes.
    """

    x: Tensor
    depth: str = "uint8"
    alpha: Tensor | None = None
    path: Path | None = None
    premultiplied: bool = False
    notes: tuple[str, ...] = ()
    metadata: Metadata = field(default=Metadata(), repr=False)

    def __repr__(self) -> str:
        of = "" if self.path is None else f', "{self.path}"'
        return f"Image({'x'.join(map(str, self.x.shape))}, {self.depth}{of})"

    @property
    def scaled(self) -> bool:
        """Whether the values were integers whose type's maximum is 1 in x."""
        return self.depth in TOPS

    @property
    def is_signal(self) -> bool:
        """Whether the file holds a signal, an array of one dimension or a vector of MATLAB."""
        return "X" in self.metadata.axes and "Y" not in self.metadata.axes

    @property
    def missing(self) -> Tensor | None:
        """Where a value of a pixel is missing, boolean, (1, 1, H, W); None when none is."""
        missing = self.x.isnan().any(1, keepdim=True)
        return missing if bool(missing.any()) else None


@dataclass(frozen=True)
class Stack:
    """The images of a file, in its order; a file of one image is a stack of one.

    Attributes:
        images: the pages, frames, slices or time points.
        axes: one letter for each axis of the file's array: Y, X, C or S (channels, samples) and others, such as T and
            Z, along which the images lie. Signals have no Y.
        shape: the lengths of these axes; those of Y and X are the first image's where the sizes differ.
        notes: a sentence for each guess and for what is left out.
        path: the file.
    """

    images: tuple[Image, ...]
    axes: str
    shape: tuple[int, ...]
    notes: tuple[str, ...] = ()
    path: Path | None = None


def load(path: str | PathLike[str], dtype: torch.dtype = torch.float32) -> Image:
    """Read an image, or a signal as an image of one row, from a file.

    A colon selects one of several images in HDF5, FITS, MAT and NPZ files, as in "scan.h5:/entry/data", and a column of
    a table, by its name or its number from 1, as in "scan.csv:2". EXIF orientation is applied. An array in an NPY file
    is (N,), a signal, (H, W) or (H, W, C). A text or CSV file and a vector of MATLAB hold a signal.

    Args:
        path: the file; its suffix names the format, one of `codecs.SUFFIXES`.
        dtype: float64 reads values in float64, another type in float32.

    Raises:
        MeasurementError: the file is missing or broken, is not an image of a known format, or holds several images.
    """
    stack = load_stack(path, dtype)
    if len(stack.images) > 1:
        raise MeasurementError(
            f'"{stack.path}" holds {len(stack.images)} images (axes {stack.axes}, {stack.shape}), not one. '
            f"invprior solve {Path(path).name} -o OUT.tif restores each; in Python, load_stack reads them."
        )
    return replace(stack.images[0], notes=stack.notes)


def load_stack(path: str | PathLike[str], dtype: torch.dtype = torch.float32) -> Stack:
    """Read all images of a file: pages, frames, slices or time points. The arguments are those of `load`.

    Raises:
        MeasurementError: the file is missing or broken, or holds no images of a known format.
    """
    path, name = codecs.split(files.check_name(path))
    sources.check_plain(path)
    suffix = codecs.suffix_of(path)
    if suffix is None:
        raise MeasurementError(
            f'The format of "{path}" is unknown; its name must end in {", ".join(codecs.SUFFIXES)}. '
            "Convert or rename it."
        )
    try:
        decoded = codecs.decode(path, suffix, name)
        precision = precision_of(dtype)
        with quiet():
            about = replace(read(path, suffix, name), axes=decoded.axes, shape=decoded.shape)
        pages = tuple(
            replace(_image(decoded, k, precision, path), metadata=about)
            for k in range(len(decoded.pages))
        )
    except MeasurementError as error:
        raise MeasurementError(f'Cannot read "{path}": {error}') from None
    except Exception as error:  # the libraries raise nearly every type on broken files
        raise MeasurementError(
            f'Cannot read "{path}" as a {suffix[1:].upper()} {"file" if suffix in TEXTS else "image"}: '
            f"{_reason(error)}. {_REMEDY_OF_TEXT if suffix in TEXTS else _REMEDY}"
        ) from error
    return Stack(
        pages, decoded.axes, decoded.shape, decoded.notes + _rounded(decoded, precision), path
    )


_REMEDY = "Expected a grey or colour image; try to open it in a viewer and save it anew."
_REMEDY_OF_TEXT = (
    "Expected one number in each line, or a table of numbers, separated by spaces, tabs, commas or "
    "semicolons."
)


def _image(decoded: Decoded, index: int, precision: Precision, path: Path) -> Image:
    page = decoded.pages[index]
    values = scaled(page, precision)
    alpha = None
    if decoded.alpha:
        values, opacity = values[..., :-1], values[..., -1:]
        if page.dtype.kind in "iu" and page.dtype.name not in TOPS:
            opacity = opacity / np.iinfo(page.dtype).max
        if decoded.premultiplied:
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.where(opacity > 0, values / opacity, 0).astype(precision)
            values = values.clip(0, 1) if page.dtype.name in TOPS else values
        alpha = _planes(opacity)
    if decoded.missing is not None and decoded.missing[index].any():
        values = np.where(decoded.missing[index], precision.type(np.nan), values)
    return Image(_planes(values), depth_of(page.dtype), alpha, path, decoded.premultiplied)


def _planes(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]


def _rounded(decoded: Decoded, precision: Precision) -> tuple[str, ...]:
    """Return a note where integers exceed what the precision holds exactly."""
    limit = 2 ** (np.finfo(precision).nmant + 1)
    for page in decoded.pages:
        if (
            page.dtype.kind in "iu"
            and page.dtype.itemsize > 2
            and max(-int(page.min()), int(page.max())) > limit
        ):
            remedy = "; float64 keeps more (--dtype float64)" if precision.itemsize == 4 else ""
            return (f"Its integers above {limit:,} are rounded in {precision.name}{remedy}.",)
    return ()


def _reason(error: Exception) -> str:
    text = (str(error) or type(error).__name__).rstrip(".")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "there is too little memory"
    # Pillow's text goes on to name a file object.
    return (
        "its content is no image of a known format"
        if "cannot identify image file" in text
        else text
    )


def to_tensor(
    value: Tensor | ArrayLike | str | PathLike[str], dtype: torch.dtype = torch.float32
) -> Tensor:
    """Convert a tensor, an array or a file to float images, (B, C, H, W); a signal becomes an image of one row.

    uint8, uint16 and booleans are scaled to [0, 1] by the maximum of their type; other integers are counts and keep
    their values. Entries that are masked become NaN.

    Args:
        value: a tensor (N,), (H, W), (C, H, W) or (B, C, H, W), which keeps its device and its
            float32 or float64, complex64 or complex128; a numpy array (N,), (H, W) or (H, W, C),
            masked or not; an image of Pillow, an array of xarray or any object with `__array__`;
            or the path of a file. Alpha is left out.
        dtype: float64 reads arrays and files and scales integers in float64; another type does so
            in float32.

    Raises:
        MeasurementError: another shape or type.
    """
    precision = precision_of(dtype)
    if isinstance(value, str | PathLike):
        return load(value, dtype).x
    if isinstance(value, Tensor):
        return _from_tensor(value, dtype)
    found = read_array(value)
    if found is None:
        raise MeasurementError(
            "An image must be a tensor, an array, an image of Pillow or a file's path; "
            f"got {type(value).__name__}."
        )
    array, missing = found
    try:
        values = scaled(array, precision)
    except ValueError as error:
        raise MeasurementError(f"The array cannot be an image: {error}.") from None
    if missing is not None:
        values = np.where(missing.reshape(values.shape), precision.type(np.nan), values)
    return _planes(values)


def _from_tensor(value: Tensor, dtype: torch.dtype) -> Tensor:
    if not 1 <= value.dim() <= 4 or value.numel() == 0:
        raise MeasurementError(
            "A tensor of images must be (N,), (H, W), (C, H, W) or (B, C, H, W) and not empty; "
            f"got {tuple(value.shape)}. Reshape it."
        )
    top = TOPS.get(str(value.dtype).removeprefix("torch."), 1)
    if value.is_complex():
        value = value.to(torch.complex128 if value.dtype == torch.complex128 else torch.complex64)
    elif not value.is_floating_point():
        value = value.to(torch.float64 if dtype == torch.float64 else torch.float32) / top
    elif value.dtype not in (torch.float32, torch.float64):
        value = value.to(torch.float32)
    return value.reshape((1,) * (4 - value.dim()) + tuple(value.shape))
