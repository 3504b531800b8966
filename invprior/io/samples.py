"""Free sample images from the scikit-image package; nothing is downloaded."""

from __future__ import annotations

from os import PathLike

import numpy as np
import torch

from invprior.errors import MeasurementError, did_you_mean
from invprior.io import images

PREFIX = "sample:"
# Those that the package contains; skimage.data would download the others.
NAMES = (
    "astronaut",
    "brick",
    "camera",
    "cell",
    "chelsea",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
)


def names() -> tuple[str, ...]:
    """Return the names of the images, in alphabetical order."""
    return NAMES


def load(name: str, size: int | None = None, dtype: torch.dtype = torch.float32) -> images.Image:
    """Load a sample image.

    Args:
        name: one of `names()`.
        size: when given, the central square of the image is resized to size x size by Pillow's
            Lanczos filter.
        dtype: float64 scales the values in float64, another type in float32.

    Raises:
        MeasurementError: the name is unknown, or the size is not positive or exceeds the image's.
    """
    if name not in NAMES:
        raise MeasurementError(
            f'There is no sample image "{name}"{did_you_mean(name, NAMES)}. '
            f"Choose one of: {', '.join(NAMES)}."
        )
    # Imported here, because both packages slow down the start of the command line.
    import skimage.data
    from PIL import Image

    array = np.asarray(getattr(skimage.data, name)())
    if size is not None:
        side = min(array.shape[:2])
        if not 0 < size <= side:
            raise MeasurementError(
                f"The size of sample {name} must be from 1 to {side}; got {size}."
            )
        top, left = ((length - side) // 2 for length in array.shape[:2])
        square = Image.fromarray(array[top : top + side, left : left + side])
        array = np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))
    return images.Image(images.to_tensor(array, dtype))


def resolve(source: str | PathLike[str], dtype: torch.dtype = torch.float32) -> images.Image:
    """Load a file by its path, or a sample by `sample:NAME` or `sample:NAME:SIZE`, in float32 or float64."""
    text = str(source)
    if not text.startswith(PREFIX):
        return images.load(source, dtype)
    name, _, size = text.removeprefix(PREFIX).partition(":")
    # No sample has a side of ten digits, and Python reads no integer of thousands.
    if size and not (size.isdecimal() and len(size) < 10):
        raise MeasurementError(
            f'The size of a sample must be an integer, as in sample:astronaut:128; got "{size[:60]}".'
        )
    return load(name, int(size) if size else None, dtype)
