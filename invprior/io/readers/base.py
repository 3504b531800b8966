"""What every reader returns, and what readers share: optional packages, the order of axes, the room in memory."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from invprior.errors import MeasurementError
from invprior.io.room import check_room

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Decoded:
    """The content of a file, in the numbers of the file.

    Attributes:
        pages: the images, each (H, W, C), upright; signals are (1, N, C).
        axes: one letter for each axis of the file, in its order: Y, X, C or S (channels, samples), and others, such
            as T (time), Z (depth) or I (images), along which the pages lie. Signals have no Y.
        shape: the lengths of these axes.
        alpha: whether the last channel is the opacity.
        premultiplied: whether the colours are multiplied by the opacity.
        missing: for each page, (H, W, C without alpha), where a value is missing; None when none is.
        notes: a sentence for each guess and for what is left out.
    """

    pages: Sequence[Array]
    axes: str = "YX"
    shape: tuple[int, ...] = ()
    alpha: bool = False
    premultiplied: bool = False
    missing: Sequence[Array] | None = None
    notes: tuple[str, ...] = ()


def optional(module: str, extra: str, what: str) -> Any:
    """Import a package that is not always installed.

    Raises:
        MeasurementError: it is missing; the message names the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MeasurementError(
            f"{what} are read by the package {module.partition('.')[0]}, which is not installed. "
            f"Install it: pip install 'invprior[{extra}]'."
        ) from None


def pages_of(array: Array, axes: str) -> tuple[list[Array], str, tuple[int, ...]]:
    """Split an array with named axes into pages (H, W, C); also return the axes and their lengths.

    S and C are channels where the array has one of them; where it has both, C counts pages. Without Y, the pages are
    signals along X, (1, N, C).

    Raises:
        MeasurementError: there is no axis X, or several of one name.
    """
    if axes.count("Y") > 1 or axes.count("X") != 1:
        raise MeasurementError(
            f"its axes are {axes}, {array.shape}, without one Y and one X, the rows and columns of an image. "
            "Save it with the axes named."
        )
    channel = "S" if "S" in axes else "C" if "C" in axes else ""
    last = [axes.index(name) for name in ("YX" if "Y" in axes else "X") + channel]
    first = [axis for axis in range(len(axes)) if axis not in last]
    ordered = array.transpose(first + last)
    if not channel:
        ordered = ordered[..., None]
    if "Y" not in axes:
        ordered = ordered[..., None, :, :]
    return list(ordered.reshape((-1, *ordered.shape[-3:]))), axes, array.shape


def unnamed(array: Array, where: str) -> Decoded:
    """Divide an array whose axes have no names: a signal (N,), images (H, W) or (H, W, C), or pages in front of (H, W).

    The last axis holds channels where it is shorter than the two before it.
    """
    found = array.shape
    if array.ndim < 1 or array.size == 0:
        raise MeasurementError(f"expected the shape (N,), (H, W) or (H, W, C), got {found}.")
    if array.ndim == 1:
        return Decoded(*pages_of(array, "X"))
    if array.ndim == 2:
        return Decoded([array[..., None]], "YX", found)
    channels = found[-1] < min(found[-3:-1])
    axes = "Q" * (array.ndim - (3 if channels else 2)) + ("YXS" if channels else "YX")
    # Of two equal letters, `pages_of` needs the positions alone.
    pages, _, shape = pages_of(array, axes)
    count = f"{found[-1]} channels (the last axis)" if channels else f"{len(pages)} images"
    return Decoded(
        pages,
        axes,
        shape,
        notes=(f"{where}, {found}, has no names for its axes; it is read as {count}.",),
    )


def matlab(array: Array, what: str) -> Decoded:
    """Return an array of MATLAB, whose signals have two dimensions, one of them of length 1."""
    if array.ndim == 2 and 1 in array.shape and array.size > 1:
        return Decoded(*pages_of(array, "QX" if array.shape[0] == 1 else "XQ"))
    return unnamed(array, what)


def plain(dtype: np.dtype[Any]) -> bool:
    """Return whether values of this type can be those of an image: real numbers or booleans."""
    return dtype.kind in "biuf"


def as_counts(array: Array) -> Array:
    """Return uint8 and uint16 in a signed type that holds them: values of a unit, which no type's maximum scales."""
    wider = {"uint8": np.int16, "uint16": np.int32}.get(array.dtype.name)
    return array if wider is None else array.astype(wider)


def checked_shape(shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Refuse an array before it is decoded.

    Raises:
        MeasurementError: it does not fit into memory.
    """
    check_room(int(np.prod([int(n) for n in shape], dtype=object)), dtype.itemsize)


def likeliest(shapes: Mapping[str, Sequence[int]], wanted: str | None) -> list[str]:
    """Return the names of the arrays of a file that can be meant.

    Args:
        shapes: of all arrays of numbers.
        wanted: what the path asks for behind a colon; then all can be meant. Without it, vectors, such as coordinates,
            are left out where there are images, and single numbers where there are vectors.
    """
    for longest in (2, 1):
        found = [name for name, shape in shapes.items() if sum(n > 1 for n in shape) >= longest]
        if wanted is None and found:
            return found
    return list(shapes)


def chosen(names: Sequence[str], wanted: str | None, what: str, sign: str = "") -> str:
    """Return the name of the one that is meant; a file of several needs a choice.

    Args:
        names: of all that hold an image.
        wanted: what the path asks for behind a colon, or None.
        what: "arrays", "images" or the like.
        sign: what stands before each name in a path.

    Raises:
        MeasurementError: there is none, there are several without a choice, or the choice is not among them.
    """
    if not names:
        raise MeasurementError(f"it holds no {what} of numbers.")
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    if wanted is None:
        if len(names) == 1:
            return names[0]
        raise MeasurementError(
            f"it holds {len(names)} {what} ({listed}), not one. Name one behind a colon: FILE:{sign}{names[0]}."
        )
    for name in names:
        if wanted.strip("/") == name.strip("/"):
            return name
    raise MeasurementError(f'it holds no {what} named "{wanted}". Choose one of: {listed}.')
