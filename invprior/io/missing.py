"""Mark the pixels of an image that hold no data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from invprior.errors import MeasurementError, refuse_complex
from invprior.io.images import Image
from invprior.io.readers.nodata import is_nodata, typed
from invprior.io.values import in_units, precision_of

ALPHA = "alpha"


def with_missing(image: Image, value: float | str) -> Image:
    """Return an image that is NaN where its file holds a value; an image without that value gets a note.

    Args:
        image: as `load` returns it.
        value: a number as in the file (0 to 255 of an 8-bit image), or its text, compared exactly in the type of the
            file; or "alpha" for the pixels that are fully transparent.

    Raises:
        MeasurementError: it is no number, or the image has no alpha channel.
    """
    if value == ALPHA:
        if image.alpha is None:
            raise MeasurementError(
                f'The missing pixels cannot be read from the alpha channel of "{image.path}": it has none. '
                "Give the value that stands for missing pixels."
            )
        hidden = (image.alpha == 0).expand_as(image.x)
    else:
        hidden = _holds(image, value)
    if not bool(hidden.any()):
        return replace(image, notes=(*image.notes, f"No pixel is missing by the value {value}."))
    return replace(image, x=torch.where(hidden, torch.nan, image.x))


def _holds(image: Image, value: float | str) -> Tensor:
    try:
        float(value)
    except ValueError:
        raise MeasurementError(
            f'The value of missing pixels must be a number or "{ALPHA}"; got "{value}".'
        ) from None
    depth = np.dtype(image.depth)
    refuse_complex(depth, "An image with a value for missing pixels")
    if depth.kind == "f":
        return torch.from_numpy(is_nodata(image.x.numpy(), value, depth))
    stored = typed(depth, value)
    if stored is None:
        return torch.zeros_like(image.x, dtype=torch.bool)
    level = in_units(np.array([stored]), precision_of(image.x.dtype))
    return image.x == float(level[0])
