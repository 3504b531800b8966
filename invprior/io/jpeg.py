"""The quantisation tables of a JPEG file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from invprior.errors import MeasurementError
from invprior.io import files, sources
from invprior.numerics.jpeg import Chroma


class FileTables(NamedTuple):
    """The tables of a file.

    Attributes:
        luma: steps of the first plane, (8, 8), in grey levels.
        chroma: steps of the second plane; those of luma for grey pictures.
        size: of the chroma planes.
    """

    luma: Tensor
    chroma: Tensor
    size: Chroma


def read_tables(path: str | Path) -> FileTables:
    """Read the tables of a JPEG file.

    Raises:
        MeasurementError: the file is missing, is no JPEG, or has planes of a size that is not supported.
    """
    from PIL import Image

    path = files.check_name(path)
    sources.check_plain(path)
    try:
        with Image.open(path, formats=("JPEG", "MPO")) as image:
            jpeg: Any = image
            found, layers = jpeg.quantization, jpeg.layer
    except Exception as error:  # Pillow raises nearly every type on broken files
        raise MeasurementError(
            f'The file of jpeg must be a JPEG file; "{path}" cannot be read as one '
            f"({type(error).__name__}). Give the file that the picture was decoded from."
        ) from None
    sizes = tuple((across, down) for _, across, down, _ in layers)
    luma, chroma = (
        torch.tensor(list(found[layers[k][3]]), dtype=torch.float64).view(8, 8)
        for k in (0, min(1, len(layers) - 1))
    )
    if len(layers) == 1 or len(set(sizes)) == 1:
        return FileTables(luma, chroma, "full")
    if len(layers) == 3 and sizes == ((2, 2), (1, 1), (1, 1)):
        return FileTables(luma, chroma, "half")
    raise MeasurementError(
        f'The chroma planes of the file of jpeg must have full size (4:4:4) or half size (4:2:0); those of "{path}" '
        f"have the sampling factors {sizes}. Convert the picture to grey, or restore it with another fidelity."
    )
