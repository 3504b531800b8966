"""The data fidelity of JPEG compression."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from invprior.errors import IncompatibleError, OptionError
from invprior.fidelities.base import ProximableFidelity, given
from invprior.io.jpeg import read_tables
from invprior.noise_estimation.base import NoiseEstimate
from invprior.noise_estimation.jpeg import JpegEstimate, check_table, chroma_of, quality_of
from invprior.numerics.jpeg import BLOCK, GREY_LEVELS, Chroma, Plane, planes, steps_of, tables

# The mean squared error of coefficients over that of errors that are uniform within a step, of luma and of chroma. On
# scikit-image's pictures it is 0.05 to 0.5 and 0.02 to 0.15 at qualities of 10 to 80, since most coefficients lie near
# the middle of the interval around 0. With as much for chroma as for luma, tv turned edges green.
_SHARES = (0.2, 0.05)
# The same of luma with the errors weighted by the squared steps, for the error of a pixel.
_SHARE_OF_LEVEL = 0.03
# Standard deviation in grey levels of what 4:2:0 loses: of the differences of chroma within 2 x 2 pixels, over 4.
_DETAIL = 1.0
_ROUNDING = 12**-0.5  # of values in whole grey levels, in the encoder and in the decoder
# Rounds of the prox over luma and chroma, whose axes are not orthogonal; each leaves a tenth of the error.
_ROUNDS = 10


class _Part(NamedTuple):
    """The coefficients of one plane.

    Attributes:
        plane: the map to them.
        file: those of the file, (B, H W).
        variances: of their errors, (H W,), for the form "gaussian".
        halves: of the intervals' widths, (H W,), for the form "interval".
    """

    plane: Plane
    file: Tensor
    variances: Tensor
    halves: Tensor


class Jpeg(ProximableFidelity):
    """The quantisation of JPEG: the cosine coefficients of Ax lie near those of the file, as their steps allow.

    With the form "gaussian", E = sum (D C (A x - y))^2 / (2 v). C are the colours of JPEG, D the cosines of blocks of
    8 x 8 pixels, and v is a fifth of step^2 / 12, the variance of a uniform error, of chroma a twentieth, as in most
    pictures. With the form "interval", E is the squared distance of D C A x from the interval of values that are
    rounded to the coefficient of the file, over twice the variance of rounding to grey levels. It is 0 where Ax gives
    the same file, and leaves all else to the prior, whose weight then matters little. tv smooths more with it.

    y must be the decoded picture, all of it and unchanged. The coefficients of grey pictures and of colours at full
    size are exact up to the rounding of decoders, and so is the prox of grey pictures; that of colours iterates. For
    chroma at half size, the interpolation of decoders is undone, and the details that it lacks are held near those of
    y. A block with clipped pixels tells its coefficients less well. Pixels beyond the last whole block of 8 x 8 (of
    16 x 16 for chroma at half size) are compared one by one.

    Args:
        quality: 1 to 100, of the standard tables of the Independent JPEG Group; told from y when neither it nor `file`
            is given.
        file: the JPEG file, whose tables are used.
        chroma: size of the chroma planes, "half" (4:2:0) or "full" (4:4:4); told from y or from the file when absent.
        form: "gaussian" or "interval".
        white: intensity of white, in units of the data.

    Raises:
        OptionError: both quality and file are given.

    Sources: Bredies and Holler 2012, "A total variation-based JPEG decompression model", SIAM Journal on Imaging
    Sciences 5, for the intervals; ITU-T T.81 for the tables.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {
        "total": "the blocks of two pictures side by side are others than those of one"
    }
    block = 16

    def __init__(
        self,
        *,
        quality: Annotated[int, Ge(1), Le(100)] | None = None,
        file: str | Path | None = None,
        chroma: Chroma | None = None,
        form: Literal["gaussian", "interval"] = "gaussian",
        white: Annotated[float, Gt(0)] = 1.0,
    ) -> None:
        super().__init__()
        if quality is not None and file is not None:
            raise OptionError("jpeg must be given quality or file, not both. Leave out one.")
        self.quality, self.file, self.chroma = quality, file, chroma
        self.form, self.white = form, white
        self.offset_invariant = form == "gaussian"
        self._of_file = None if file is None else read_tables(file)

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return E of each image, (B,)."""
        x = self._grey(prediction)
        terms = (
            (self._apart(part.plane.forward(x), part).square() / self._variances(part))
            for part in self._parts(y)
        )
        return 0.5 * sum(term.flatten(1).sum(1) for term in terms)  # type: ignore[return-value]

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return the gradient, (GREY_LEVELS / white) C^T D^T of the distances over their variances."""
        x, size = self._grey(prediction), prediction.shape[-2:]
        total = torch.zeros_like(x)
        for part in self._parts(y):
            slope = self._apart(part.plane.forward(x), part) / self._variances(part)
            total = total + part.plane.adjoint(slope, *size)
        return total * (GREY_LEVELS / self.white)

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Return argmin_p tau E(p; y) + 1/2 ||p - v||^2: in closed form for grey pictures, else by dual ascent.

        Each step of the ascent solves for the multipliers of one plane exactly, as A A^T is a multiple of I for a
        plane's map A to its coefficients. One step suffices where the planes are orthogonal, as channels of grey.
        """
        p, size = self._grey(v), v.shape[-2:]
        parts = self._parts(y)
        strength = tau * (GREY_LEVELS / self.white) ** 2  # of E beside squares of grey levels
        multipliers = [torch.zeros_like(part.file) for part in parts]
        for _ in range(_ROUNDS if v.shape[1] == 3 else 1):
            for k, part in enumerate(parts):
                gain = part.plane.gain
                at = part.plane.forward(p) + gain * multipliers[k]
                pull = strength / (self._variances(part) + gain * strength)
                new = self._apart(at, part) * pull
                p = p + part.plane.adjoint(multipliers[k] - new, *size)
                multipliers[k] = new
        return p * (self.white / GREY_LEVELS)

    def with_noise_level(self, sigma: float) -> Jpeg:
        """Return the fidelity with an open quality set to that whose errors have about this standard deviation."""
        if self._of_file is not None or self.quality is not None:
            return self

        def miss(quality: int) -> float:
            return abs(self._level(tables(quality)[0]) - sigma)

        return self._with(min(range(1, 101), key=miss), self.chroma)

    def estimate_noise(self, y: Tensor, observation_mask: Tensor | None) -> JpegEstimate:
        """Tell an open quality and the size of the chroma planes from y.

        Raises:
            IncompatibleError: y is no picture, or some of its pixels are missing.
            MeasurementError: y is not the decoded picture of such a file.
        """
        if y.dim() != 4:
            raise IncompatibleError(
                "The measurement of jpeg must be a picture; this operator gives none. Use another fidelity."
            )
        if observation_mask is not None and not bool(observation_mask.all()):
            raise IncompatibleError(
                "jpeg needs every pixel of the picture; some are missing. Use the operator denoise, or another "
                "fidelity such as huber."
            )
        grey, quality, chroma = self._grey(y), self.quality, self.chroma
        if self._of_file is not None:
            luma, second = self._of_file.luma, self._of_file.chroma
            chroma = self._of_file.size if chroma is None else chroma
            check_table(grey, luma, f'the tables of "{self.file}"')
        else:
            if quality is None:
                quality = quality_of(grey)
            luma, second = tables(quality)
            check_table(grey, luma, f"quality {quality}")
        if y.shape[1] != 3:
            chroma = None
        elif chroma is None:
            chroma = chroma_of(grey, second)
        sigma = self._level(luma)
        return JpegEstimate(
            sigma=sigma,
            channels=(sigma,) * y.shape[1],
            uncertainty=0.0,
            method="the steps of its coefficients",
            quality=quality,
            chroma=chroma,
        )

    def with_noise(self, estimate: NoiseEstimate) -> Jpeg:
        """Return the fidelity with an open quality and an open size of the chroma planes set."""
        if not isinstance(estimate, JpegEstimate):
            return self.with_noise_level(estimate.sigma)
        quality = estimate.quality if self.file is None else None
        return self._with(quality, self.chroma or estimate.chroma)

    def _with(self, quality: int | None, chroma: Chroma | None) -> Jpeg:
        if (quality, chroma) == (self.quality, self.chroma):
            return self
        return Jpeg(
            quality=quality, file=self.file, chroma=chroma, form=self.form, white=self.white
        )

    @cached_property
    def _tables(self) -> tuple[Tensor, Tensor]:
        if self._of_file is not None:
            return self._of_file.luma, self._of_file.chroma
        return tables(int(given(self.quality, "quality", "jpeg")))

    def _level(self, luma: Tensor) -> float:
        """Return about the standard deviation of the pixels' errors, in units of the data."""
        error = float((_SHARE_OF_LEVEL * luma.square() / 12).mean().sqrt())
        return max(error, _ROUNDING) * self.white / GREY_LEVELS

    def _grey(self, x: Tensor) -> Tensor:
        return x * (GREY_LEVELS / self.white)

    def _parts(self, y: Tensor) -> list[_Part]:
        """Return the planes with the coefficients of the file, from its decoded picture."""
        grey, level = self._grey(y), self._level(self._tables[0]) * GREY_LEVELS / self.white
        parts = []
        for plane in planes(y.shape[1], self.chroma or "half"):
            table, share = self._tables[plane.chroma], _SHARES[plane.chroma]
            blocks = plane.blocks_of_file(grey)
            if self.form == "interval":
                blocks = _rounded(blocks, table, plane)
            file = plane.joined(blocks, grey)
            variances = file.new_full(file.shape[1:], _DETAIL**2)
            # A pixel outside of the whole blocks has about the error of the others.
            inside = share / 12 * steps_of(table, blocks, level * (12 / share) ** 0.5).square()
            variances[: inside.numel()] = inside.flatten()
            halves = (3 * variances).sqrt()  # of a uniform error of this variance
            halves[: inside.numel()] = steps_of(table, blocks, 12**0.5 * level).flatten() / 2
            parts.append(_Part(plane, file, variances, halves))
        return parts

    def _apart(self, coefficients: Tensor, part: _Part) -> Tensor:
        """Return the distance of coefficients from those of the file, or from their intervals, with its sign."""
        apart = coefficients - part.file
        if self.form == "gaussian":
            return apart
        return apart - torch.maximum(torch.minimum(apart, part.halves), -part.halves)

    def _variances(self, part: _Part) -> Tensor:
        if self.form == "gaussian":
            return part.variances
        return torch.full_like(part.variances, _ROUNDING**2)


def _rounded(blocks: Tensor, table: Tensor, plane: Plane) -> Tensor:
    """Return the multiples of the steps next to coefficients, which are those of the file; pixels stay as they are."""
    steps = steps_of(table, blocks, 0.0)
    middle = torch.zeros_like(steps)
    if not plane.chroma:
        middle[::BLOCK, ::BLOCK] = 128 * BLOCK  # luma is coded as its difference from grey
    found = ((blocks - middle) / steps).round() * steps + middle
    return torch.where(steps > 0, found, blocks)
