"""Inpainting: some pixels are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from invprior.errors import MeasurementError, OptionError
from invprior.io.arrays import known_pixels, read_mask
from invprior.numerics.box import Box
from invprior.operators.base import LinearOperator, LocalOperator, Shape

Count = Annotated[int, Ge(0)]
Length = Annotated[int, Ge(1)]


class Inpaint(LinearOperator, LocalOperator):
    """Sampling of the known pixels; the others are missing in all channels, and y is 0 there.

    Give one of mask, keep, boxes and text. Without any, a simulation keeps a random half of the pixels, and a given
    measurement is refused.

    Args:
        mask: file of a mask of the image's size, an image, .npy or .npz; in Python also a tensor, (H, W). A pixel is
            known where the mask exceeds half of its range: 0.5 for values in [0, 1], half of the largest value
            otherwise. An image of one colour with an alpha channel, such as a brush layer, is read by its alpha:
            opaque pixels are known.
        keep: fraction of the pixels that are kept, drawn at random.
        seed: seed of this draw; used with keep only.
        boxes: missing rectangles, each [top, left, height, width] in pixels.
        text: a text whose letters are missing, repeated all over the image.
    """

    takes_complex = True
    known: Tensor

    def __init__(
        self,
        image_shape: Shape,
        *,
        mask: str | Path | Tensor | None = None,
        keep: Annotated[float, Gt(0), Le(1)] | None = None,
        seed: Count = 0,
        boxes: tuple[tuple[Count, Count, Length, Length], ...] | None = None,
        text: str | None = None,
    ) -> None:
        super().__init__(image_shape)
        sources = {"mask": mask, "keep": keep, "boxes": boxes, "text": text}
        given = [name for name, value in sources.items() if value is not None]
        if len(given) > 1:
            raise OptionError(
                "inpaint must be given one of mask, keep, boxes and text; "
                f"got {' and '.join(given)}. Leave one."
            )
        size = (image_shape[-2], image_shape[-1])
        if mask is not None:
            known, self.notes = _from_mask(mask, size)
        elif boxes is not None:
            known = _without_boxes(boxes, size)
        elif text is not None:
            known = _without_text(text, size)
        else:
            keep = 0.5 if keep is None else keep
            known = _random(keep, seed, size)
        self.mask, self.keep, self.seed, self.boxes, self.text = mask, keep, seed, boxes, text
        # Not persistent: the options make it again.
        self.register_buffer("known", known[None, None], persistent=False)

    @classmethod
    def image_shape_for(
        cls,
        measurement_shape: Shape,
        *,
        mask: object = None,
        keep: object = None,
        seed: object = 0,
        boxes: object = None,
        text: object = None,
    ) -> Shape:
        """Return the same shape; a measurement needs the pixels that are missing in it.

        Raises:
            OptionError: none of mask, keep, boxes and text is given.
        """
        # A random half serves to simulate a measurement; of a real one it would drop half of the data.
        if mask is None and keep is None and boxes is None and text is None:
            raise OptionError(
                "inpaint on a measurement must be given one of mask, boxes, text or keep; got none. Give the mask of "
                "the missing pixels, as in inpaint:mask=mask.png; to try it on an image without missing pixels, "
                "simulate the measurement (--simulate, invprior.simulate)."
            )
        return measurement_shape

    @property
    def observation_mask(self) -> Tensor:
        """True where a pixel is known, boolean, (1, 1, H, W)."""
        return self.known

    def forward(self, x: Tensor) -> Tensor:
        """Set the missing pixels to 0."""
        return x * self.known

    def adjoint(self, y: Tensor) -> Tensor:
        """Set the missing pixels to 0."""
        return y * self.known

    def normal(self, x: Tensor) -> Tensor:
        """Set the missing pixels to 0."""
        return x * self.known

    @property
    def is_mask(self) -> bool:
        """Always true."""
        return True

    @property
    def direct(self) -> bool:
        """Always true."""
        return True

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Divide by the mask plus the damping, pixel by pixel."""
        return rhs / (self.known.to(rhs.dtype) + damping)

    def norm(self) -> float:
        """Return 1."""
        return 1.0

    def restrict(self, box: Box) -> tuple[Inpaint, Box]:
        """Return the operator with the mask cut to the box, and the box.

        Raises:
            OptionError: no pixel of the box is known.
        """
        shape = (*self.image_shape[:-2], box.height, box.width)
        part = Inpaint(shape, mask=box.of(self.known)[0, 0])
        part.notes = self.notes  # a hole may fill a box, and says nothing about the image's mask
        return part, box


def _from_mask(mask: str | Path | Tensor, size: tuple[int, int]) -> tuple[Tensor, tuple[str, ...]]:
    """Return the known pixels and the notes on them."""
    if isinstance(mask, Tensor):
        integers = not mask.is_floating_point()
        known = known_pixels(mask, "The mask", integers=integers)
        transparent, where, name = False, "", "the mask"
    else:
        known, transparent = read_mask(mask)
        where, name = f" in {mask}", Path(mask).name
    if tuple(known.shape) != size:
        shape = "x".join(map(str, known.shape))
        raise MeasurementError(
            f"The mask{where} must have the image's size, {size[0]}x{size[1]} (height x width); "
            f"it is {shape}."
        )
    missing = 1 - float(known.double().mean())
    doubt = _doubt(missing)
    if isinstance(mask, Tensor) and not doubt:  # made on purpose, so a count says nothing new
        return known, ()
    count = f"{_percent(missing)} of the pixels are missing" if missing else "no pixel is missing"
    how = ", those where its alpha channel is transparent" if transparent else ""
    return known, (f"{name}: {count}{how}{doubt}",)


def _doubt(missing: float) -> str:
    """Return what to check when a share of missing pixels is implausible, else ""."""
    if missing == 0:
        return "; check that it is black where pixels are missing"
    # Damage and text cover less. A mask that marks the damage in white exceeds this.
    if missing > 0.9:
        return "; check that it is white where pixels are known, not inverted"
    return ""


def _percent(share: float) -> str:
    """Return a percentage with one decimal, or two where one would read as none or all."""
    digits = 1 if 0.0005 <= share <= 0.9995 else 2
    return f"{100 * share:.{digits}f} %"


def _random(keep: float, seed: int, size: tuple[int, int]) -> Tensor:
    """Return a random mask that keeps exactly round(keep * pixels) pixels, and at least one."""
    # Drawn on the CPU, so that a seed gives the same mask on every device.
    pixels = size[0] * size[1]
    order = torch.randperm(pixels, generator=torch.Generator().manual_seed(seed))
    return (order < max(round(keep * pixels), 1)).view(size)


def _without_boxes(boxes: tuple[tuple[int, int, int, int], ...], size: tuple[int, int]) -> Tensor:
    known = torch.ones(size, dtype=torch.bool)
    faults = []
    for box in boxes:
        top, left, height, width = box
        if top + height > size[0] or left + width > size[1]:
            faults.append(
                f"The boxes of inpaint must lie inside the image of {size[0]}x{size[1]}; "
                f"got {list(box)}, read as [top, left, height, width]."
            )
        known[top : top + height, left : left + width] = False
    if faults:
        raise OptionError("\n".join(faults))
    return _some(known, "The boxes of inpaint")


def _without_text(text: str, size: tuple[int, int]) -> Tensor:
    """Return a mask that is false on the text, repeated in about ten lines, each shifted against the last."""
    text = " ".join(text.split())
    if not text:
        raise OptionError("The text of inpaint must hold letters; got none.")
    height = max(size[0] // 14, 8)
    line_height = height + height // 3 + 1
    canvas = Image.new("L", (size[1], size[0]), 0)
    draw = ImageDraw.Draw(canvas)
    draw.fontmode = "1"  # without anti-aliasing: a pixel is either missing or known
    font = ImageFont.load_default(size=height)
    step = max(round(draw.textlength(text + " ", font=font)), 1)
    for line, top in enumerate(range(0, size[0], line_height)):
        start = -((line * 5 * step) // 13) % step - step
        for left in range(start, size[1], step):
            draw.text((left, top), text, fill=255, font=font)
    return _some(torch.from_numpy(np.array(canvas) == 0), "The text of inpaint")


def _some(known: Tensor, what: str) -> Tensor:
    if not bool(known.any()):
        raise OptionError(f"{what} must leave some pixels known; got none.")
    return known
