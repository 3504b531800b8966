"""Numbers such as kernels, masks and vectors, from .npy, .npz, text and image files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from invprior.errors import MeasurementError, OptionError, did_you_mean
from invprior.io import codecs, files, images, sources
from invprior.io.codecs import Array
from invprior.io.readers import arrays as readers
from invprior.io.readers.base import chosen
from invprior.io.readers.text import SUFFIXES as TEXTS
from invprior.io.readers.text import read_text
from invprior.io.room import check_room


def read_plane(
    path: str | Path, what: str, index: str | None = None, *, vectors: bool = False
) -> Tensor:
    """Read a 2-D array. The channels of an image are averaged and its alpha is ignored.

    Args:
        path: a .npy, .npz, .txt, .csv or image file.
        what: "kernel" or "mask", for messages.
        index: name of the array in an .npz file; required when the file holds several.
        vectors: whether an array of one dimension, or a column in a text file, is taken as one row.

    Returns:
        (H, W), float64. Images are scaled to [0, 1]; other numbers are as in the file.

    Raises:
        MeasurementError: the file is missing or cannot be read, or its array is not 2-D or not
            finite.
    """
    values = _read(Path(path), what, index, vectors=vectors).values
    return torch.from_numpy(np.ascontiguousarray(values))


def read_mask(path: str | Path) -> tuple[Tensor, bool]:
    """Read which pixels a mask marks as known, see `known_pixels`.

    Where the visible colours of an image are constant, as in a brush layer, its alpha channel is the mask.

    Args:
        path: a .npy, .npz, text or image file. One of one dimension, of a signal, is read as one row.

    Returns:
        True where a pixel is known, boolean, (H, W), and whether the alpha channel was used.

    Raises:
        MeasurementError: as `read_plane` and `known_pixels` raise.
    """
    path = Path(path)
    plane = _read(path, "mask", vectors=True)
    values, alpha = plane.values, plane.alpha
    transparent = False
    if alpha is not None:
        # The colour of a fully transparent pixel is arbitrary; programs write anything there.
        visible = values[alpha > 0]
        constant = visible.size == 0 or visible.min() == visible.max()
        transparent = bool(constant and alpha.min() < alpha.max())
    mask = torch.from_numpy(np.ascontiguousarray(alpha if transparent else values))
    return known_pixels(mask, f"The mask in {path}", integers=plane.integers), transparent


def known_pixels(mask: Tensor, what: str, *, integers: bool) -> Tensor:
    """Return where a mask exceeds half of its range, boolean, (H, W); (1, N) for a signal.

    The range ends at the largest value, and at 1 for floats in [0, 1]. So masks of 0 and 1, of 0 and 255, soft ones,
    and those with the ringing of JPEG all keep their meaning.

    Args:
        mask: (H, W), or (N,) for a signal, of any real type or boolean, 0 where a pixel is missing.
        what: the subject of messages, such as "The mask".
        integers: whether the values came from integers or booleans.

    Raises:
        MeasurementError: it is complex, of more than two dimensions, not finite or negative somewhere.
        OptionError: it marks no pixel as known.
    """
    if mask.is_complex():
        raise MeasurementError(f"{what} must be real; it is complex. Save its magnitude.")
    mask = mask[None] if mask.dim() == 1 else mask
    if mask.dim() != 2 or mask.numel() == 0:
        raise MeasurementError(
            f"{what} must have two dimensions, height and width, or one for a signal; its shape is "
            f"{tuple(mask.shape)}."
        )
    values = mask.detach().cpu().to(torch.float64)
    if not bool(values.isfinite().all()):
        raise MeasurementError(f"{what} must be finite; it holds NaN or infinity.")
    lowest, highest = float(values.min()), float(values.max())
    if lowest < 0:
        raise MeasurementError(
            f"{what} must hold values from 0 (missing) up (known); its smallest value is {lowest:g}."
        )
    half = (highest if integers else max(highest, 1.0)) / 2
    if highest <= half:
        raise OptionError(
            f"{what} must leave some pixels known; got none. Its largest value is {highest:g}, and a pixel is known "
            f"above {half:g}."
        )
    return values > half


class _Plane(NamedTuple):
    """Finite numbers from a file.

    Attributes:
        values: (H, W), float64.
        alpha: of an image, (H, W), in [0, 1], or None.
        integers: whether the file holds integers or booleans.
    """

    values: Array
    alpha: Array | None = None
    integers: bool = False


def _read(path: Path, what: str, index: str | None = None, *, vectors: bool = False) -> _Plane:
    files.check_name(path)
    try:
        file, _ = codecs.split(path)
        if not file.exists():
            raise MeasurementError(f"The {what} file {path} does not exist.")
        sources.check_plain(file)
        array, like = _decoded(path, what, index)
    except MeasurementError:
        raise
    except Exception as error:  # numpy and the image libraries raise nearly every type
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise MeasurementError(f"The {what} file {path} cannot be read: {reason}") from None
    if array.dtype.kind not in "biuf":
        kind = "complex" if array.dtype.kind == "c" else str(array.dtype)
        raise MeasurementError(f"The {what} in {path} must hold real numbers; it is {kind}.")
    if vectors and (array.ndim == 1 or (path.suffix.lower() in TEXTS and array.shape[1] == 1)):
        array = array.reshape(1, -1)
    if array.ndim != 2 or 0 in array.shape:
        raise MeasurementError(
            f"The {what} in {path} must have two dimensions; its shape is {array.shape}."
        )
    if not np.isfinite(array).all():
        raise MeasurementError(f"The {what} in {path} must be finite; it holds NaN or infinity.")
    values = array.astype(np.float64)
    if like is None:
        return _Plane(values, None, array.dtype.kind in "biu")
    alpha = None if like.alpha is None else like.alpha[0, 0].numpy().astype(np.float64)
    return _Plane(values, alpha, like.depth.startswith("uint"))


def _decoded(path: Path, what: str, index: str | None) -> tuple[Array, images.Image | None]:
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return readers.npz(path, lambda names: _name(path, what, names, index))[0], None
    if index is not None:
        raise MeasurementError(f"{path} holds one {what}; index is for .npz files.")
    if suffix == ".npy":
        return readers.npy(path), None
    if suffix in TEXTS:
        return read_text(path), None
    # An image's values come scaled to [0, 1]; those of .npy, .npz and text must stay as they are.
    image = images.load(path, torch.float64)
    return image.x[0].mean(0).numpy(), image


def read_numbers(path: str | Path) -> Array:
    """Read a measurement of any shape, such as a vector, from a .npy, .npz or text file, as it is.

    Raises:
        MeasurementError: the file is missing or broken, has another format, or holds several arrays or no numbers.
    """
    path, name = codecs.split(files.check_name(path))
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz", *TEXTS):
        raise MeasurementError(
            f'A measurement that is no image must be in a .npy, .npz, .txt or .csv file; got "{path}".'
        )
    sources.check_plain(path)
    try:
        if suffix == ".npy":
            array = readers.npy(path)
        elif suffix == ".npz":
            array, _ = readers.npz(path, lambda names: chosen(names, name, "arrays"))
        else:
            array = read_text(path)
            array = array.ravel() if 1 in array.shape else array
        if array.dtype.kind not in "biufc":
            raise ValueError(f"its values are {array.dtype}, not numbers")
    except MeasurementError as error:
        raise MeasurementError(f'Cannot read "{path}": {error}') from None
    except Exception as error:  # numpy raises nearly every type on broken files
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise MeasurementError(f'Cannot read "{path}": {reason.rstrip(".")}.') from None
    return array


def read_matrix(path: str | Path) -> Tensor:
    """Read a matrix: a dense one, (rows, columns), or a sparse one as `scipy.sparse.save_npz` writes it.

    Returns:
        float64, dense or sparse (COO, coalesced).

    Raises:
        MeasurementError: the file is missing or broken, or its array is not a real, finite matrix.
    """
    file = files.check_name(path)
    if file.suffix.lower() == ".npz" and file.is_file() and (found := _sparse(file)) is not None:
        return found
    return read_plane(file, "matrix")


def _sparse(path: Path) -> Tensor | None:
    """Return a sparse matrix; None where the file holds other arrays."""
    import scipy.sparse

    sources.check_plain(path)
    try:
        _, _ = readers.npz(path, lambda names: "format" if "format" in names else "")
    except Exception:  # other names, or a broken file, which `read_plane` reports
        return None
    try:
        check_room(path.stat().st_size, 8)
        found = scipy.sparse.load_npz(path).tocoo()
    except Exception as error:  # scipy raises nearly every type
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise MeasurementError(f"The matrix file {path} cannot be read: {reason}") from None
    if found.dtype.kind not in "biuf" or not np.isfinite(found.data).all():
        raise MeasurementError(
            f"The matrix in {path} must hold finite, real numbers; it is {found.dtype}."
        )
    places = torch.from_numpy(np.stack([found.row, found.col]).astype(np.int64))
    values = torch.from_numpy(found.data.astype(np.float64))
    return torch.sparse_coo_tensor(places, values, found.shape, check_invariants=True).coalesce()


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
