"""Save images in the format of a file's name: depth, range and alpha as in the image they come from."""

from __future__ import annotations

import io
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from invprior.errors import MeasurementError
from invprior.io import encoders, files
from invprior.io.codecs import Array
from invprior.io.images import TOPS, Image


def writable(
    path: str | PathLike[str],
    *,
    like: Image | None = None,
    channels: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Check that `save` can write here, without creating the file; call this before a long run.

    Args:
        path: the file to be.
        like: the image whose depth and alpha channel the file will have.
        channels: number of channels of x, when known.
        overwrite: whether an existing file may be replaced.

    Raises:
        MeasurementError: the format is unknown or cannot hold the alpha channel or the number of
            channels, or the file cannot be written.
    """
    path = Path(path)
    suffix = _suffix(path)
    if like is not None and like.alpha is not None and suffix not in encoders.WITH_ALPHA:
        raise MeasurementError(
            f'Cannot write "{path}": a {suffix[1:].upper()} file cannot hold the alpha channel of '
            f'"{like.path}". Write .png or .tif, or remove the alpha channel first.'
        )
    if channels not in (None, 1, 3) and suffix in encoders.COLOURS:
        raise MeasurementError(
            f'Cannot write "{path}": a {suffix[1:].upper()} file has 1 or 3 channels, this image '
            f"{channels}. Write .tif or .npy."
        )
    return files.writable(path, overwrite=overwrite)


def default_suffix(like: Image, channels: int) -> str:
    """Return the suffix of a result that nobody has named: that of its source, where the format holds it.

    Args:
        like: the source.
        channels: of the result.
    """
    own = "" if like.path is None else like.path.suffix.lower()
    kept = (
        own not in encoders.LOSSY
        and like.depth in encoders.DEPTHS.get(own, ())
        and (channels in (1, 3) or own not in encoders.COLOURS)
        and (like.alpha is None or own in encoders.WITH_ALPHA)
    )
    if kept:
        return own
    return ".png" if channels in (1, 3) and like.depth in TOPS else ".tif"


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
    x is rounded and clipped to the range of the type. Float depths keep every value.

    Args:
        path: its suffix names the format, one of `encoders.DEPTHS`. JPEG has quality 95.
        x: (1, C, H, W); PNG and JPEG take 1 or 3 channels.
        depth: type of the values in the file, such as "uint16". When absent, the depth of `like`, or the
            deepest below it that the format has. Without `like`, 8 bits for PNG and JPEG and floats
            for the other formats.
        like: an image whose depth and alpha channel the file takes. Its alpha is resized when x has
            another size.
        overwrite: whether an existing file may be replaced.

    Raises:
        MeasurementError: the folder, the format or the values do not allow it. No file is left
            behind.
    """
    if x.dim() != 4 or x.shape[0] != 1:
        raise MeasurementError(
            f'Cannot write "{path}": a file takes one image (1, C, H, W); got {tuple(x.shape)}.'
        )
    path = writable(path, like=like, channels=x.shape[1], overwrite=overwrite)
    suffix = _suffix(path)
    x = x.detach().cpu()
    depth = _depth(path, suffix, x, depth, like)
    alpha = None if like is None or like.alpha is None else _resized(like.alpha, x)
    if alpha is not None:
        opaque = 1 if depth in TOPS or depth.startswith("float") else np.iinfo(depth).max
        x = torch.cat([x, alpha * opaque], 1)
    array = _levels(path, x, depth)
    # Encoded in memory first: a fault of the encoder then differs from a full disk, and leaves no file.
    content = io.BytesIO()
    try:
        encoders.encode(content, suffix, array, alpha=alpha is not None)
    except Exception as error:  # encoders raise nearly every type
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise MeasurementError(
            f'Cannot write "{path}" as a {suffix[1:].upper()} file: {reason.rstrip(".")}. Write another format, such '
            "as .tif or .npy."
        ) from error
    with files.atomic(path, overwrite=overwrite) as file:
        file.write(content.getbuffer())


def _resized(alpha: Tensor, x: Tensor) -> Tensor:
    """Return an alpha channel in the size and type of an image."""
    alpha = alpha.to(x)
    if alpha.shape[2:] == x.shape[2:]:
        return alpha
    return torch.nn.functional.interpolate(alpha, x.shape[2:], mode="bilinear", antialias=True)


def _levels(path: Path, x: Tensor, depth: str) -> Array:
    """Return an image (1, C, H, W) as the values of a file, (H, W, C).

    Raises:
        MeasurementError: NaN cannot be an integer.
    """
    array: Array = x[0].permute(1, 2, 0).numpy()
    if not depth.startswith("float"):
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


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in encoders.DEPTHS:
        raise MeasurementError(
            f'The format of "{path}" is unknown; its name must end in {", ".join(encoders.DEPTHS)}. '
            "Rename it."
        )
    return suffix


def _depth(path: Path, suffix: str, x: Tensor, depth: str | None, like: Image | None) -> str:
    held = encoders.DEPTHS[suffix]
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
