"""Load images as tensors from PNG, JPEG, TIFF, NPY and NPZ, with depth, range and alpha."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invprior.errors import MeasurementError
from invprior.io import codecs, files
from invprior.io.arraylike import ArrayLike, read_array, refuse_complex
from invprior.io.codecs import Array

# Integer types that hold images, and the value that stands for 1. Looked up by name, because numpy's
# dtypes of another byte order are not equal and torch has dtypes of its own.
TOPS = {"bool": 1, "uint8": 255, "uint16": 65535}
Precision: TypeAlias = np.dtype[np.float32] | np.dtype[np.float64]
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


@dataclass(frozen=True)
class Image:
    """An image, with the properties of its file that `save` can give to another image.

    Attributes:
        x: (1, C, H, W), float32. Integers are scaled to [0, 1] by the maximum of their type; floats
            are as in the file.
        depth: type of the values in the file: "uint8", "uint16", "float32" or "float64".
        alpha: opacity, (1, 1, H, W), in [0, 1]; None when the file has no alpha channel.
        path: the file.
    """

    x: Tensor
    depth: str = "uint8"
    alpha: Tensor | None = None
    path: Path | None = None


def load(path: str | PathLike[str]) -> Image:
    """Read an image from a file.

    NPY and NPZ files hold one array, (H, W) or (H, W, C). EXIF orientation is applied.

    Raises:
        MeasurementError: the file is missing or broken, or is not an image of a known format.
    """
    path = files.check_name(path)
    if path.is_dir():
        raise MeasurementError(f'"{path}" is a folder; name an image inside it.')
    if not path.exists():
        raise MeasurementError(f'There is no file "{path}". Check the name and the folder.')
    suffix = _suffix(path)
    try:
        array, alpha = codecs.decode(path.read_bytes(), suffix)
        values = _scaled(array)
    except Exception as error:  # decoders raise nearly every type on broken files
        text = str(error) or type(error).__name__
        if "cannot identify image file" in text:
            # Pillow's text goes on to name a BytesIO object.
            text = "its content is no image of a known format"
        if isinstance(error, OSError) and error.strerror:
            text = error.strerror
        raise MeasurementError(
            f'Cannot read "{path}" as a {suffix[1:].upper()} image: {text.rstrip(".")}. '
            "Expected a grey or colour image; try to open it in a viewer and save it anew."
        ) from error
    planes = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]
    # No format here can be written with these two types.
    depth = {"bool": "uint8", "float16": "float32"}.get(array.dtype.name, array.dtype.name)
    if not alpha:
        return Image(planes, depth, None, path)
    return Image(planes[:, :-1].contiguous(), depth, planes[:, -1:].contiguous(), path)


def to_tensor(
    value: Tensor | ArrayLike | str | PathLike[str], dtype: torch.dtype = torch.float32
) -> Tensor:
    """Convert a tensor, an array or a file to float images, (B, C, H, W).

    uint8, uint16 and booleans are scaled to [0, 1] by the maximum of their type. Entries that are
    masked become NaN.

    Args:
        value: a tensor (H, W), (C, H, W) or (B, C, H, W), which keeps its device and its float32 or
            float64; a numpy array (H, W) or (H, W, C), masked or not; an image of Pillow, an array
            of xarray or any object with `__array__`; or the path of a file. Alpha is left out.
        dtype: float64 reads arrays and files and scales integers in float64; another type does so
            in float32.

    Raises:
        MeasurementError: another shape or type, such as complex values or an integer type whose
            range is not that of images.
    """
    precision = FLOAT64 if dtype == torch.float64 else FLOAT32
    if isinstance(value, str | PathLike):
        return _from_file(Path(value), precision)
    if isinstance(value, Tensor):
        return _from_tensor(value, dtype)
    found = read_array(value)
    if found is None:
        raise MeasurementError(
            "An image must be a tensor, an array, an image of Pillow or a file's path; "
            f"got {type(value).__name__}."
        )
    array, missing = found
    refuse_complex(array.dtype, "An array of images")
    try:
        values = _scaled(array, precision)
    except ValueError as error:
        raise MeasurementError(f"The array cannot be an image: {error}.") from None
    if missing is not None:
        values = np.where(missing.reshape(values.shape), precision.type(np.nan), values)
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]


def _from_file(path: Path, precision: Precision) -> Tensor:
    image = load(path)
    if precision == FLOAT32:
        return image.x
    # `Image.x` is float32, so the file is decoded again.
    array, alpha = codecs.decode(path.read_bytes(), _suffix(path))
    values = _scaled(array, precision)
    planes = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]
    return planes[:, :-1].contiguous() if alpha else planes


def _from_tensor(value: Tensor, dtype: torch.dtype) -> Tensor:
    if not 2 <= value.dim() <= 4 or value.numel() == 0:
        raise MeasurementError(
            "A tensor of images must be (H, W), (C, H, W) or (B, C, H, W) and not empty; "
            f"got {tuple(value.shape)}. Reshape it."
        )
    refuse_complex(value.dtype, "A tensor of images")
    name = str(value.dtype).removeprefix("torch.")
    top = TOPS.get(name)
    if top is not None:
        value = value.to(torch.float64 if dtype == torch.float64 else torch.float32) / top
    elif not value.is_floating_point():
        raise MeasurementError(f"A tensor cannot be images: {_unclear(name)}.")
    elif value.dtype not in (torch.float32, torch.float64):
        value = value.to(torch.float32)
    return value.reshape((1,) * (4 - value.dim()) + tuple(value.shape))


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in codecs.SUFFIXES:
        raise MeasurementError(
            f'The format of "{path}" is unknown; its name must end in {", ".join(codecs.SUFFIXES)}. '
            "Convert or rename it."
        )
    return suffix


def _scaled(array: Array, precision: Precision = FLOAT32) -> NDArray[Any]:
    """Check an array (H, W) or (H, W, C); return it as (H, W, C), floats, integers in [0, 1]."""
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.size == 0:
        raise ValueError(f"expected the shape (H, W) or (H, W, C), got {array.shape}")
    height, width, channels = array.shape
    # An array (C, H, W) would pass for an image of C rows; torch users bring such arrays.
    if channels > 4 and channels >= min(height, width):
        raise ValueError(
            f"the last axis of the shape {array.shape} must be the channels; move it there "
            "(transpose), or pass a torch tensor (C, H, W)"
        )
    if array.dtype.kind == "f":
        return array.astype(precision)
    top = TOPS.get(array.dtype.name)
    if top is not None:
        values: NDArray[Any] = array.astype(precision)
        values /= precision.type(top)
        return values
    raise ValueError(_unclear(array.dtype.name))


def _unclear(dtype: str) -> str:
    # Nearly every such array holds 8 or 12 bits, or signed units: its type's range is a bad scale.
    return (
        f"its values are {dtype}, expected uint8, uint16, booleans or floats; convert them to "
        "float32, which keeps the values, or divide them by the value of white"
    )
