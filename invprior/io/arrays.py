"""Planes of numbers, such as kernels and masks, from .npy, .npz and image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invprior.errors import MeasurementError, did_you_mean
from invprior.io import images


def read_plane(path: str | Path, what: str, index: str | None = None) -> Tensor:
    """Read a 2-D array. The channels of an image are averaged and its alpha is ignored.

    Args:
        path: a .npy, .npz or image file.
        what: "kernel" or "mask", for messages.
        index: name of the array in an .npz file; required when the file holds several.

    Returns:
        (H, W), float64. Images are scaled to [0, 1]; other numbers are as in the file.

    Raises:
        MeasurementError: the file is missing or cannot be read, or its array is not 2-D or not
            finite.
    """
    path = Path(path)
    if not path.is_file():
        raise MeasurementError(f"The {what} file {path} does not exist.")
    try:
        array = _read(path, what, index)
    except MeasurementError:
        raise
    except Exception as error:  # numpy and the image libraries raise nearly every type
        reason = str(error).partition("\n")[0]
        raise MeasurementError(f"The {what} file {path} cannot be read: {reason}") from None
    if array.ndim != 2 or 0 in array.shape:
        raise MeasurementError(
            f"The {what} in {path} must have two dimensions; its shape is {array.shape}."
        )
    if not np.isfinite(array).all():
        raise MeasurementError(f"The {what} in {path} must be finite; it holds NaN or infinity.")
    return torch.from_numpy(np.ascontiguousarray(array))


def _read(path: Path, what: str, index: str | None) -> NDArray[np.float64]:
    suffix = path.suffix.lower()
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            array = archive[_name(path, what, archive.files, index)]
            return np.asarray(array, np.float64)
    if index is not None:
        raise MeasurementError(f"{path} holds one {what}; index is for .npz files.")
    if suffix == ".npy":
        return np.asarray(np.load(path, allow_pickle=False), np.float64)
    # An image's values come scaled to [0, 1]; those of .npy and .npz must stay as they are.
    return images.load(path).x[0].mean(0).numpy().astype(np.float64)


def _name(path: Path, what: str, names: list[str], index: str | None) -> str:
    if index is None and len(names) == 1:
        return names[0]
    if index not in names:
        asked = "none was chosen" if index is None else f'"{index}" is not one of them'
        hint = did_you_mean(index, names) if index else ""
        remedy = "Choose one with index=NAME" if what == "kernel" else "Save one in its own file"
        raise MeasurementError(
            f"{path} holds the arrays {', '.join(names)}; {asked}{hint}. {remedy}."
        )
    return index
