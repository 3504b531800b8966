"""The quality and the size of the chroma planes of a JPEG file, told from its decoded picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from invprior.errors import MeasurementError
from invprior.noise_estimation.base import NoiseEstimate
from invprior.numerics.jpeg import BLOCK, GREY_LEVELS, Chroma, planes, steps_of, tables

# In grey levels: rounding moves a coefficient by 0.3 on average, so that a larger one is none of those that are 0.
_NOT_ZERO = 4.0
_ERROR = 0.4  # of a coefficient, as decoders round twice
# Largest misfit of a coefficient, as colours beyond black and white change some. The mean misfit is 1/2 to 1 for the
# table of the file, up to 4 at qualities below 6; from the second number on, the table is wrong.
_LARGEST, _WRONG = 8.0, 5.0
_FEWEST = 16  # coefficients, of which fewer fit several tables by chance
_FINE = 4.0  # mean step in grey levels below which each picture fits
_MOST = 2**12  # blocks that are looked at


@dataclass(frozen=True, kw_only=True)
class JpegEstimate(NoiseEstimate):
    """What the decoded picture of a JPEG file tells of the file.

    Attributes:
        quality: of the standard tables; None for tables that were given.
        chroma: the size of the chroma planes; None for grey pictures.
    """

    quality: int | None
    chroma: Chroma | None

    @property
    def note(self) -> str | None:
        """None, as a picture that does not tell its tables is refused."""
        return None

    @property
    def _value(self) -> str:
        found = "tables of a file" if self.quality is None else f"quality {self.quality}"
        size = {None: "", "half": ", chroma 4:2:0", "full": ", chroma 4:4:4"}[self.chroma]
        return f"JPEG, {found}{size}"


def quality_of(y: Tensor) -> int:
    """Return the quality of the standard tables that y was quantised with.

    The coefficients of the file are multiples of its steps. Of all tables of which this is true, the coarsest is the
    most likely one: finer ones, such as half the steps, fit by chance.

    Args:
        y: the decoded picture, (1, C, H, W), in grey levels.

    Raises:
        MeasurementError: y fits no table, or says too little.
    """
    values, places = _coefficients(y)
    if len(values) < _FEWEST:
        raise MeasurementError(
            "The quality of jpeg cannot be told from this picture, which is too small, or nearly constant in its "
            "blocks. Give it, as in jpeg:quality=20."
        )
    scores = []
    for quality in range(1, 101):
        steps = tables(quality)[0].to(y).flatten()[places]
        scores.append(float((steps.log() - _misfits(values, steps)).mean()))
    best = 1 + max(range(100), key=scores.__getitem__)
    steps = tables(best)[0].to(y).flatten()[places]
    if float(_misfits(values, steps).mean()) > _WRONG or float(steps.mean()) < _FINE:
        raise MeasurementError(
            "The measurement of jpeg must be the decoded picture of a JPEG file; got one that no standard table fits, "
            "or only those of the finest steps. A picture that was resized, cropped or changed in another way since "
            "does not tell its tables. If the file has tables of its own, give it: jpeg:file=picture.jpg."
        )
    return best


def chroma_of(y: Tensor, table: Tensor) -> Chroma:
    """Return the size of the chroma planes of which the coefficients are closer to multiples of the steps, (8, 8)."""
    errors = {}
    for size in ("half", "full"):
        total = 0.0
        for plane in planes(3, size)[1:]:
            coefficients = plane.blocks_of_file(y)
            steps = steps_of(table, coefficients, 1.0)
            apart = coefficients - steps * (coefficients / steps).round()
            total += float(apart[:, steps > 1].square().sum()) / plane.gain
        errors[size] = total
    # Of 60 files, the right size had at most 1/10 of the other's error where it was full, and 1.4 times where half.
    return "full" if errors["full"] < 0.25 * errors["half"] else "half"


def check_table(y: Tensor, table: Tensor, what: str) -> None:
    """Refuse a table of luma, (8, 8), that y in grey levels was not quantised with.

    Args:
        y: the decoded picture, (1, C, H, W), in grey levels.
        table: the steps.
        what: where they are from, for the message.

    Raises:
        MeasurementError: the coefficients of y are no multiples of these steps.
    """
    values, places = _coefficients(y)
    steps = table.to(y).flatten()[places]
    coarse = steps > _FINE
    if bool(coarse.any()) and float(_misfits(values, steps)[coarse].mean()) > _WRONG:
        raise MeasurementError(
            f"The measurement of jpeg must be the decoded picture of a JPEG file with {what}; got one whose "
            "coefficients are no multiples of these steps. Leave the option out to have the quality told from the "
            "picture, which must not have been resized, cropped or changed in another way since."
        )


def _misfits(values: Tensor, steps: Tensor) -> Tensor:
    apart = values - steps * (values / steps).round()
    return (apart.square() / (2 * _ERROR**2)).clamp_max(_LARGEST)


def _coefficients(y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the coefficients of luma that are not 0, and their places in a block, without those of clipped blocks."""
    coefficients = planes(y.shape[1], "full")[0].blocks_of_file(y)
    down, across = (n // BLOCK for n in y.shape[-2:])

    def blocks(values: Tensor) -> Tensor:
        inside = values[..., : down * BLOCK, : across * BLOCK]
        cut = inside.reshape(-1, down, BLOCK, across, BLOCK).transpose(2, 3)
        return cut.reshape(len(cut), down * across, BLOCK**2)

    clipped = blocks((y < 0.5) | (y > GREY_LEVELS - 0.5)).any(-1).any(0)
    whole = blocks(coefficients)[0][~clipped]
    whole = whole[:: max(len(whole) // _MOST, 1)]
    places = torch.arange(BLOCK**2, device=y.device).expand_as(whole)
    # Not the mean of a block, which rounding of a flat block moves by several grey levels.
    counts = (whole.abs() > _NOT_ZERO) & (places > 0)
    return whole[counts], places[counts]
