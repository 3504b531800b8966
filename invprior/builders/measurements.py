"""Convert what a user gives as a measurement, in memory or as a file, to a batch of tensors."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from invprior.errors import MeasurementError, OptionError
from invprior.io.arraylike import ArrayLike
from invprior.io.arrays import read_numbers
from invprior.io.images import to_tensor
from invprior.operators.base import Shape

# An array is any object with `__array__`: numpy's, masked or not, Pillow's and xarray's.
ImageLike: TypeAlias = "Tensor | ArrayLike | str | PathLike[str]"


# Callers may be in inference mode. Tensors made there cannot take part in autograd later, which solvers need.
@torch.inference_mode(False)
def image_batch(
    y: ImageLike,
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    shape: Shape | None = None,
    axes: int = 3,
) -> Tensor:
    """Convert a tensor, an array or a file to a batch of images, (B, C, H, W), or of measurements, (B, *shape).

    A signal (N,) becomes an image of one row, (1, 1, 1, N).

    Args:
        y: the images, in any form that `solve` takes.
        device: where to put them; by default a tensor stays on its device, and others go to `default_device()`.
        dtype: float32 or float64; what is fitted needs the precision of one of them. Complex images are of the
            complex type of that precision.
        shape: shape of a measurement without the batch dimension. With other than three dimensions, a tensor or an
            array must have it, with or without a batch dimension in front; None if it is not known.
        axes: number of dimensions of a measurement of unknown shape, without the batch dimension; 3 reads images. Of
            two, the first are the channels, and one channel may be left out.

    Raises:
        OptionError: the dtype is another one, or the device is missing.
        MeasurementError: the images cannot be read, or hold no values.
    """
    if device is None and not isinstance(y, Tensor):
        device = default_device()
    if dtype not in (torch.float32, torch.float64):
        raise OptionError(
            f'The option "dtype" must be torch.float32 or torch.float64; got {dtype!r}. Use torch.float32.'
        )
    if isinstance(y, Tensor) and y.is_meta:
        raise MeasurementError(
            'The measurement must hold values; a tensor on the device "meta" has a shape only.'
        )
    # Three dimensions are those of an image, which arrays hold with the channels last.
    tensor = (
        to_tensor(y, dtype)
        if (axes if shape is None else len(shape)) == 3
        else _measurements(y, dtype, shape, axes)
    )
    if tensor.is_complex():
        dtype = dtype.to_complex()
    try:
        tensor = tensor.to(device=device, dtype=dtype)
    except (
        RuntimeError,
        AssertionError,
        TypeError,
        ImportError,
    ) as error:  # torch has no single one
        reason = str(error).partition("\n")[0].rstrip(".")
        raise OptionError(
            f'The option "device" must be a device of this machine; got "{device}" ({reason}). '
            'Use "cpu".'
        ) from None
    if tensor.is_meta:
        raise OptionError(
            'The option "device" must be a device that computes; got "meta", on which tensors have no values. '
            'Use "cpu".'
        )
    return tensor.clone() if tensor.is_inference() else tensor


def _measurements(y: ImageLike, dtype: torch.dtype, shape: Shape | None, axes: int) -> Tensor:
    if isinstance(y, str | PathLike):
        y = read_numbers(Path(y))
    given: Any = y if isinstance(y, Tensor) else np.asanyarray(y)  # keeps a mask
    found = tuple(given.shape)
    if shape is None:
        shape = _shape_of(found, axes)
    found = (1,) * (len(shape) - len(found)) + found
    if shape not in (found, found[1:]):
        raise MeasurementError(
            f"The measurement must have the shape {shape} that the operator gives, or (B, "
            f"{', '.join(map(str, shape))}) for a batch; got {found}."
        )
    count = 1 if found == shape else found[0]
    return to_tensor(given.reshape(count, -1), dtype).reshape(count, *shape)


def _shape_of(found: Shape, axes: int) -> Shape:
    """Return the shape of one measurement in an array of this shape."""
    shape = (1,) * (axes - len(found)) + (found[1:] if len(found) == axes + 1 else found)
    if len(shape) != axes or 0 in found or (axes == 1 and not found):
        kinds = "(m,)" if axes == 1 else "(m,) or (C, m)" if axes == 2 else f"of {axes} dimensions"
        raise MeasurementError(
            f"The measurement must be {kinds}, or a batch of those; got the shape {found}. Reshape it, and check the "
            "operator."
        )
    return shape


def dimensions(y: Any) -> int:
    """Return the number of dimensions of a tensor or an array; 0 of what has none."""
    return y.dim() if isinstance(y, Tensor) else int(np.ndim(y)) if hasattr(y, "__array__") else 0


def default_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
