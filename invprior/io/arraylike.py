"""Arrays as other libraries hold them: masked, labelled, or images of Pillow; without scaling the values."""

from __future__ import annotations

import sys
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from invprior.errors import MeasurementError
from invprior.io.codecs import Array


class SupportsArray(Protocol):
    """An object that numpy reads through a method."""

    def __array__(self) -> Array: ...


class SupportsArrayInterface(Protocol):
    """An object that numpy reads through a property, such as an image of Pillow."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


ArrayLike: TypeAlias = SupportsArray | SupportsArrayInterface

# Names of the axis of an image that holds its channels, in xarray, rioxarray and Dask.
_CHANNELS = ("band", "bands", "channel", "channels", "c")
_ROWS = ("y", "row", "rows", "height", "lat", "latitude")
_COLUMNS = ("x", "column", "columns", "width", "lon", "longitude")


def read_array(value: Any) -> tuple[Array, NDArray[np.bool_] | None] | None:
    """Return the array of an object, (H, W) or (H, W, C), and where it is masked; None when it has no array.

    Args:
        value: a numpy array, masked or not; an image of Pillow, whose alpha is left out; an object with named axes
            `dims`, as xarray's; or any object with `__array__`.

    Raises:
        MeasurementError: the image of Pillow has another colour space than grey or RGB.
    """
    pillow = sys.modules.get("PIL.Image")  # not imported: without it no such image exists
    if pillow is not None and isinstance(value, pillow.Image):
        return _from_pillow(value), None
    if not hasattr(value, "__array__") and not hasattr(value, "__array_interface__"):
        return None
    array = np.asanyarray(value)  # keeps a mask, which `asarray` drops
    mask = getattr(array, "mask", None)  # a method in some libraries
    plain = np.ma.getdata(array) if isinstance(array, np.ma.MaskedArray) else np.asarray(array)
    missing = None
    if isinstance(mask, np.ndarray | np.bool_):
        missing = np.broadcast_to(mask, plain.shape)
    fill = _fill_value(value)
    if fill is not None:
        filled = plain == fill
        missing = filled if missing is None else missing | filled
    dims = getattr(value, "dims", None)
    if isinstance(dims, tuple) and len(dims) == plain.ndim:
        names = [str(name).lower() for name in dims]
        index, order = _order(names, plain.shape)
        plain = plain[index].transpose(order)
        missing = None if missing is None else missing[index].transpose(order)
    return plain, missing


def _from_pillow(image: Any) -> Array:
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in ("P", "PA"):
        image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("RGBA", "LA"):
        image = image.convert(image.mode[:-1])  # drops alpha, as `images.load` does
    if image.mode not in ("L", "RGB", "I;16", "I;16B", "I", "F"):
        raise MeasurementError(
            f"An image of Pillow must be grey or RGB; its colour mode is {image.mode}. "
            'Convert it, as with image.convert("RGB").'
        )
    return np.asarray(image)


def _fill_value(value: Any) -> Any:
    """Return the number that stands for missing values by the CF convention of labelled arrays, or None."""
    attributes = getattr(value, "attrs", None)
    return attributes.get("_FillValue") if isinstance(attributes, dict) else None


def _order(names: list[str], shape: tuple[int, ...]) -> tuple[tuple[Any, ...], list[int]]:
    """Return what to take of each axis, and the order rows, columns, channels of those that are left.

    An axis of another name and of length 1 is dropped. Without rows and columns among the names, all stays as it is.

    Raises:
        MeasurementError: there are several images, along an axis such as time.
    """

    def rank(name: str) -> int:
        return 0 if name in _ROWS else 1 if name in _COLUMNS else 2 if name in _CHANNELS else -1

    ranks = [rank(name) for name in names]
    whole = (slice(None),) * len(names)
    if not {0, 1} <= set(ranks) or len({r for r in ranks if r >= 0}) < sum(r >= 0 for r in ranks):
        return whole, list(range(len(names)))
    for name, place, length in zip(names, ranks, shape, strict=True):
        if place < 0 and length > 1:
            raise MeasurementError(
                f'The axis "{name}" of the array has {length} entries and is none of an image (rows, columns, '
                f'channels). Give one image at a time, or name the axis "channel".'
            )
    index = tuple(slice(None) if place >= 0 else 0 for place in ranks)
    kept = [place for place in ranks if place >= 0]
    return index, sorted(range(len(kept)), key=kept.__getitem__)
