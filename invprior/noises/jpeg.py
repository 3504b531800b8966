"""JPEG compression."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.fidelities.jpeg import Jpeg
from invprior.noises.base import Noise
from invprior.numerics.jpeg import GREY_LEVELS, Chroma

_PICTURES = "it compresses pictures, and draws nothing at random"


@dataclass(frozen=True, kw_only=True)
class JpegNoise(Noise):
    """JPEG compression: pictures are limited to black and white, rounded to 8 bits, written as a file and read again.

    Three channels are red, green and blue. With another number, each channel is compressed as a grey picture. Nothing
    is random: the seed has no effect.

    Args:
        quality: 1 to 100, of the standard tables. If it is absent, it is told from y; a simulation uses 20.
        chroma: size of the chroma planes, "half" (4:2:0) or "full" (4:4:4). If it is absent, it is told from y; a
            simulation uses half.
        white: intensity of white, in units of the data.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {
        "seeded-alone": _PICTURES,
        "independent": _PICTURES,
        "any-shape": _PICTURES,
        "its-fidelity": "errors of constant pictures, which the check uses, are those of one coefficient",
    }

    quality: Annotated[int, Ge(1), Le(100)] | None = None
    chroma: Chroma | None = None
    white: Annotated[float, Gt(0)] = 1.0

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Compress each picture of a batch, (B, C, H, W), by Pillow's encoder, and decode it.

        Raises:
            IncompatibleError: the measurements are no pictures, or have a side of more than 65,535 pixels.
        """
        if clean.dim() != 4 or max(clean.shape[-2:]) > 65535:
            raise IncompatibleError(
                "The noise jpeg compresses pictures (B, C, H, W) of at most 65535 x 65535 pixels; got the shape "
                f"{tuple(clean.shape)}. Use another noise for this operator."
            )
        grey = clean.detach().to("cpu", torch.float64) * (GREY_LEVELS / self.white)
        # Half a level is rounded up, as in files that other programs write.
        levels = grey.clamp(0, GREY_LEVELS).add(0.5).floor().to(torch.uint8).numpy()
        found = np.stack([self._compressed(picture) for picture in levels])
        return (torch.from_numpy(found).double() * (self.white / GREY_LEVELS)).to(clean)

    def _compressed(self, picture: np.ndarray) -> np.ndarray:
        if picture.shape[0] == 3:
            return self._decoded(picture.transpose(1, 2, 0)).transpose(2, 0, 1)
        return np.stack([self._decoded(channel) for channel in picture])

    def _decoded(self, levels: np.ndarray) -> np.ndarray:
        from PIL import Image

        own, file = self.filled_in(), io.BytesIO()
        size = {"full": 0, "half": 2}[own.chroma or "half"]
        Image.fromarray(np.ascontiguousarray(levels)).save(
            file, "JPEG", quality=own.quality, subsampling=size
        )
        with Image.open(file) as image:
            return np.array(image)  # a copy, which torch may write to

    def filled_in(self) -> JpegNoise:
        """Set an open quality to 20, at which artefacts are plain to see, and an open size of chroma to half."""
        return replace(self, quality=self.quality or 20, chroma=self.chroma or "half")

    def fidelity(self) -> Jpeg:
        """Return the fidelity of this quantisation; what is open is told from y."""
        return Jpeg(quality=self.quality, chroma=self.chroma, white=self.white)
