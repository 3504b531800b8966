"""Images in and out: PNG, JPEG, TIFF, NPY and NPZ, with their depth, range and alpha kept."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invprior.errors import MeasurementError
from invprior.io import codecs, files
from invprior.io.codecs import Array


@dataclass(frozen=True)
class Image:
    """An image and what is needed to write another one like it.

    Attributes:
        x: (1, C, H, W), float32. Integers are scaled to [0, 1] by their type's maximum; floats are
            as in the file.
        depth: the values' type in the file: "uint8", "uint16", "float32" or "float64".
        alpha: opacity, (1, 1, H, W), in [0, 1]; None when the file has none.
        path: where it came from.
    """

    x: Tensor
    depth: str = "uint8"
    alpha: Tensor | None = None
    path: Path | None = None


def load(path: str | PathLike[str]) -> Image:
    """Read an image from a file.

    NPY and NPZ hold (H, W) or (H, W, C); an NPZ file one array. EXIF orientation is applied.

    Raises:
        MeasurementError: the file is missing, broken, or no image of a known format.
    """
    path = Path(path)
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
            text = "its content is no image of a known format"
        if isinstance(error, OSError) and error.strerror:
            text = error.strerror
        raise MeasurementError(
            f'Cannot read "{path}" as a {suffix[1:].upper()} image: {text.rstrip(".")}. '
            "Expected a grey or colour image; try to open it in a viewer and save it anew."
        ) from error
    planes = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]
    depth = {"bool": "uint8", "float16": "float32"}.get(array.dtype.name, array.dtype.name)
    if not alpha:
        return Image(planes, depth, None, path)
    return Image(planes[:, :-1].contiguous(), depth, planes[:, -1:].contiguous(), path)


def writable(
    path: str | PathLike[str],
    *,
    like: Image | None = None,
    channels: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Check that `save` can write here, without making the file; call this before a long run.

    Args:
        path: the file to be.
        like: the image whose depth and alpha channel the file will take.
        channels: how many channels x will have, when known.
        overwrite: whether an existing file may be replaced.

    Raises:
        MeasurementError: unknown format, alpha or channels that the format cannot hold, or a place
            not to write to.
    """
    path = Path(path)
    suffix = _suffix(path)
    if like is not None and like.alpha is not None and suffix not in (".png", ".tif", ".tiff"):
        raise MeasurementError(
            f'Cannot write "{path}": a {suffix[1:].upper()} file cannot hold the alpha channel of '
            f'"{like.path}". Write .png or .tif, or remove the alpha channel first.'
        )
    if channels not in (None, 1, 3) and suffix in (".png", ".jpg", ".jpeg"):
        raise MeasurementError(
            f'Cannot write "{path}": a {suffix[1:].upper()} file has 1 or 3 channels, this image '
            f"{channels}. Write .tif or .npy."
        )
    return files.writable(path, overwrite=overwrite)


def save(
    path: str | PathLike[str],
    x: Tensor,
    *,
    depth: str | None = None,
    like: Image | None = None,
    overwrite: bool = False,
) -> None:
    """Write an image; the suffix chooses the format.

    Integer depths clip x to [0, 1] and round to the nearest level; float depths keep every value as
    it is.

    Args:
        path: .png, .jpg (quality 95), .tif, .npy or .npz.
        x: (1, C, H, W); PNG and JPEG take 1 or 3 channels.
        depth: "uint8", "uint16", "float32" or "float64"; absent: like's, or the deepest that the
            format has below it, or, without `like`, 8 bits for PNG and JPEG and floats for the
            others.
        like: an image whose depth and alpha channel to take; alpha is resized when x has another
            size.
        overwrite: whether an existing file may be replaced.

    Raises:
        MeasurementError: the place, the format or the values do not allow it; nothing is left
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
    if like is not None and like.alpha is not None:
        alpha = like.alpha.to(x)
        if alpha.shape[2:] != x.shape[2:]:
            alpha = torch.nn.functional.interpolate(
                alpha, x.shape[2:], mode="bilinear", antialias=True
            )
        x = torch.cat([x, alpha], 1)
    if depth.startswith("uint") and bool(x.isnan().any()):
        raise MeasurementError(
            f'Cannot write "{path}" with integers: the image has NaN. '
            "Write .npy, .npz or float .tif."
        )
    array = x[0].permute(1, 2, 0).numpy()
    if depth.startswith("uint"):
        top = np.iinfo(depth).max
        array = np.floor(array.astype(np.float64).clip(0, 1) * top + 0.5)
    array = np.ascontiguousarray(array, dtype=depth)
    with files.atomic(path, overwrite=overwrite) as file:
        codecs.encode(file, suffix, array, alpha=like is not None and like.alpha is not None)


def to_tensor(value: Tensor | Array | str | PathLike[str]) -> Tensor:
    """Turn what a user has into float images, (B, C, H, W); integers are scaled to [0, 1].

    Args:
        value: a tensor (H, W), (C, H, W) or (B, C, H, W), whose float32 or float64 and device are
            kept; a numpy array (H, W) or (H, W, C), which becomes float32; or a file's path.

    Raises:
        MeasurementError: another shape or type.
    """
    if isinstance(value, str | PathLike):
        return load(value).x
    if isinstance(value, np.ndarray):
        try:
            return torch.from_numpy(np.ascontiguousarray(_scaled(value).transpose(2, 0, 1)))[None]
        except ValueError as error:
            raise MeasurementError(f"The array cannot be an image: {error}.") from None
    if not isinstance(value, Tensor):
        raise MeasurementError(
            "An image must be a tensor, a numpy array or a file's path; "
            f"got {type(value).__name__}."
        )
    if not 2 <= value.dim() <= 4 or value.numel() == 0:
        raise MeasurementError(
            "A tensor of images must be (H, W), (C, H, W) or (B, C, H, W) and not empty; "
            f"got {tuple(value.shape)}. Reshape it."
        )
    tops = {torch.uint8: 255.0, torch.uint16: 65535.0, torch.bool: 1.0}
    if value.dtype in tops:
        value = value.to(torch.float32) / tops[value.dtype]
    elif not value.is_floating_point():
        raise MeasurementError(
            f"A tensor of images must hold floats, uint8, uint16 or booleans; got {value.dtype}. "
            "Scale it to [0, 1] and convert it to float32."
        )
    elif value.dtype not in (torch.float32, torch.float64):
        value = value.to(torch.float32)
    return value.reshape((1,) * (4 - value.dim()) + tuple(value.shape))


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in codecs.DEPTHS:
        raise MeasurementError(
            f'The format of "{path}" is unknown; its name must end in {", ".join(codecs.DEPTHS)}. '
            "Convert or rename it."
        )
    return suffix


def _depth(path: Path, suffix: str, x: Tensor, depth: str | None, like: Image | None) -> str:
    held = codecs.DEPTHS[suffix]
    if depth is not None:
        if depth not in held:
            raise MeasurementError(
                f'Cannot write "{path}" as {depth}; the format holds {", ".join(held)}.'
            )
        return depth
    if like is not None:
        if like.depth in held:
            return like.depth
        return "float32" if "float32" in held else held[-1]
    return "float64" if x.dtype == torch.float64 and "float64" in held else held[0]


def _scaled(array: Array) -> NDArray[np.float32]:
    """Check an array (H, W) or (H, W, C), scale integers by their maximum: (H, W, C), float32."""
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.size == 0:
        raise ValueError(f"expected the shape (H, W) or (H, W, C), got {array.shape}")
    height, width, channels = array.shape
    if channels > 4 and channels >= min(height, width):
        raise ValueError(
            f"the last axis of the shape {array.shape} must be the channels; move it there "
            "(transpose), or pass a torch tensor (C, H, W)"
        )
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    tops = {"bool": 1, "uint8": 255, "uint16": 65535}  # by name: the byte order does not matter
    if array.dtype.name in tops:
        return array.astype(np.float32) / np.float32(tops[array.dtype.name])
    raise ValueError(
        f"its values are {array.dtype}, expected uint8, uint16, floats or booleans; convert them"
    )
