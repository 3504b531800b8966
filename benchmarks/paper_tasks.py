"""The paper's three tables: what is measured, how it is scored, and what the paper prints.

Pictures lie as in shared/data: set5, inpaint11/{clean,masked50}, denoise9/{clean,noisy25,noisy50}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from common import cropped, from_pillow, noisy, psnr, resized, to_pillow
from PIL.Image import Resampling
from torch import Tensor

from invprior.images import load
from invprior.metrics.psnr import PSNR
from invprior.operators.base import Operator
from invprior.operators.inpaint import Inpaint

FACTOR = 4  # of the super-resolution table
BORDER = slice(4, -5)  # the authors' script leaves out 4 pixels before and 5 after
FILTERS = {"lanczos": Resampling.LANCZOS, "bicubic": Resampling.BICUBIC}
KERNELS = {"lanczos": "lanczos3", "bicubic": "bicubic"}  # what those filters are, in ours

Figures: TypeAlias = dict[str, float]  # by the name of a method, PSNR in dB
Tables: TypeAlias = Mapping[str, Any]  # the JSON file of the paper's figures


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What the command line says about the measurement.

    Attributes:
        data: folder of the pictures.
        size: height and width at most; None for the pictures' own.
        reduce: how a larger picture is brought to the size.
        resample: Pillow's filter that makes the low-resolution picture.
        kernel: of our downsampling operator.
        sigma: noise of the denoising table, of 255.
        seed: of noise that must be drawn anew.
    """

    data: Path
    size: int | None = None
    reduce: Literal["crop", "lanczos"] = "crop"
    resample: Literal["lanczos", "bicubic"] = "lanczos"
    kernel: str = "lanczos3"
    sigma: int = 25
    seed: int = 0

    def smaller(self, x: Tensor) -> Tensor:
        """Bring a picture to the size; smaller ones stay."""
        height, width = x.shape[-2:]
        if self.size is None or max(height, width) <= self.size:
            return x
        if self.reduce == "crop":
            return cropped(x, min(height, self.size), min(width, self.size))
        scale = self.size / max(height, width)
        return resized(x, round(height * scale), round(width * scale), Resampling.LANCZOS)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One picture's measurement.

    Attributes:
        noise: the spec that the methods are told; None leaves it to be estimated.
        baselines: restorations that need no prior.
        remarks: what happened to this picture.
    """

    truth: Tensor
    y: Tensor
    operator: Operator | str
    noise: str | None = None
    baselines: Mapping[str, Tensor] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


class Task:
    """One table of the paper.

    Attributes:
        name: on the command line.
        pictures: in the paper's order.
        priors: that are run when none is named.
        follows: the protocol, in sentences.
    """

    name: str
    pictures: tuple[str, ...]
    priors: tuple[str, ...]
    follows: tuple[str, ...]

    def prepare(self, picture: str, protocol: Protocol) -> Case:
        """Read and measure a picture."""
        raise NotImplementedError

    def score(self, case: Case, x: Tensor) -> tuple[float, float | None]:
        """Score x, rounded to 8 bits, in dB: as the table does, and over missing pixels alone."""
        raise NotImplementedError

    def paper(self, tables: Tables, picture: str, protocol: Protocol) -> tuple[Figures, Figures]:
        """Look up the paper's figures for a picture, in the order of `score`."""
        raise NotImplementedError

    def printed(self, tables: Tables, protocol: Protocol) -> Figures:
        """Look up the averages over the whole table that the paper's text gives."""
        return {}

    def setting(self, protocol: Protocol) -> str:
        """Name what else changes the figures: cells of another setting are not reused."""
        size = "full" if protocol.size is None else f"{protocol.size} {protocol.reduce}"
        return f"size={size},seed={protocol.seed}"


class SuperResolution(Task):
    """Set5, four times larger."""

    name = "superres"
    pictures = ("baby", "bird", "butterfly", "head", "woman")
    priors = ("tv", "dip")
    follows = (
        "Set5 x4: the picture is cropped around its middle to sides that are multiples of 32.",
        "PSNR of the luma (BT.601, 16 to 235), 4 pixels of the border left out (5 at the right and bottom, "
        "as in the authors' script).",
    )

    def prepare(self, picture: str, protocol: Protocol) -> Case:
        truth = protocol.smaller(load(protocol.data / "set5" / f"{picture}.png").x)
        truth = cropped(truth, *(n // 32 * 32 for n in truth.shape[-2:]))
        height, width = truth.shape[-2:]
        y = resized(truth, height // FACTOR, width // FACTOR, FILTERS[protocol.resample])
        operator = f"downsample:factor={FACTOR},kernel={protocol.kernel}"
        everywhere, inside = _misfit(truth, y, operator)
        return Case(
            truth=truth,
            y=y,
            operator=operator,
            baselines={"bicubic": resized(y, height, width, Resampling.BICUBIC)},
            remarks=(
                f"operator(truth) differs from Pillow's picture by {everywhere:.2f} of 255 (rms), by "
                f"{inside:.2f} away from the border, which Pillow cuts and the operator mirrors",
            ),
        )

    def score(self, case: Case, x: Tensor) -> tuple[float, float | None]:
        x, truth = (t[..., BORDER, BORDER] for t in (x, case.truth))
        return float(PSNR(luma=True).measure(x, truth)), None

    def paper(self, tables: Tables, picture: str, protocol: Protocol) -> tuple[Figures, Figures]:
        row = tables["super_resolution"]["measured_per_image"]["Set5x4"][picture]
        names = {"bicubic": "bicubic", "tv": "tv_prior", "dip": "deep_prior"}
        return {name: row[key] for name, key in names.items()}, {}

    def printed(self, tables: Tables, protocol: Protocol) -> Figures:
        return dict(tables["super_resolution"]["text_x4_average"]["set5"])

    def setting(self, protocol: Protocol) -> str:
        own = f"resample={protocol.resample},kernel={protocol.kernel}"
        return f"{super().setting(protocol)},{own}"


class Inpainting(Task):
    """Eleven grey pictures with half of the pixels missing."""

    name = "inpaint"
    pictures = (
        "barbara",
        "boat",
        "house",
        "lena",
        "peppers",
        "cameraman",
        "couple",
        "fingerprint",
        "hill",
        "man",
        "montage",
    )
    priors = ("tv", "dip")
    follows = (
        "The masks are those of the authors' masked pictures; half of the pixels are missing.",
        "PSNR over the whole picture, known pixels not pasted back, and over the missing ones alone.",
    )

    def prepare(self, picture: str, protocol: Protocol) -> Case:
        folder = protocol.data / "inpaint11"
        whole = load(folder / "clean" / f"{picture}.png").x
        known = load(folder / "masked50" / f"{picture}.png").x == whole
        truth = protocol.smaller(whole)
        known = cropped(known, *truth.shape[-2:])
        black = int((truth == 0).sum())
        said = f"{black} pixels of value 0 count as known: a masked picture cannot tell"
        return Case(
            truth=truth,
            y=truth * known,
            operator=Inpaint(tuple(truth.shape[1:]), mask=known[0, 0]),
            remarks=(said,) * (black > 0),
        )

    def score(self, case: Case, x: Tensor) -> tuple[float, float | None]:
        assert isinstance(case.operator, Inpaint)
        missing = ~case.operator.known.expand_as(x)
        return psnr(x, case.truth), psnr(*(t[missing].view(1, 1, 1, -1) for t in (x, case.truth)))

    def paper(self, tables: Tables, picture: str, protocol: Protocol) -> tuple[Figures, Figures]:
        table = tables["inpaint11_50_percent"]
        index = table["text"]["names"].index(picture)
        row = table["measured"][picture]
        names = {"papyan": "papyan", "dip": "deep_prior"}
        return (
            {name: table["text"][name][index] for name in names},
            {name: row[key]["missing_only"] for name, key in names.items()},
        )


class Denoising(Task):
    """Nine colour pictures with Gaussian noise."""

    name = "denoise"
    pictures = (
        "house",
        "F16",
        "lena",
        "baboon",
        "peppers",
        "kodim01",
        "kodim02",
        "kodim03",
        "kodim12",
    )
    priors = ("dip",)
    follows = (
        "The authors' noisy pictures, clipped and rounded to 8 bits; PSNR over all channels and pixels.",
    )

    def prepare(self, picture: str, protocol: Protocol) -> Case:
        folder = protocol.data / "denoise9"
        whole = load(folder / "clean" / f"{picture}.png").x
        truth = protocol.smaller(whole)
        remarks: tuple[str, ...] = ()
        if truth.shape != whole.shape and protocol.reduce == "lanczos":
            y = noisy(truth, protocol.sigma, seed=protocol.seed)
            remarks = ("the noise is drawn anew, clipped and rounded, as the picture was resized",)
        else:
            y = protocol.smaller(load(folder / f"noisy{protocol.sigma}" / f"{picture}.png").x)
        noise = f"gaussian:sigma={protocol.sigma / 255}"
        return Case(
            truth=truth,
            y=y,
            operator="denoise",
            noise=noise,
            baselines={"noisy": y},
            remarks=remarks,
        )

    def score(self, case: Case, x: Tensor) -> tuple[float, float | None]:
        return psnr(x, case.truth), None

    def paper(self, tables: Tables, picture: str, protocol: Protocol) -> tuple[Figures, Figures]:
        row = tables["denoise9"]["measured"][str(protocol.sigma)][picture]
        names = {"noisy": "noisy", "nlm": "nlm", "cbm3d": "bm3d", "dip": "deep_prior"}
        return {name: row[key] for name, key in names.items()}, {}

    def printed(self, tables: Tables, protocol: Protocol) -> Figures:
        return dict(tables["denoise9"]["text_sigma25_average"]) if protocol.sigma == 25 else {}

    def setting(self, protocol: Protocol) -> str:
        return f"{super().setting(protocol)},sigma={protocol.sigma}"


TASKS: Mapping[str, Task] = {t.name: t for t in (SuperResolution(), Inpainting(), Denoising())}


def rounded(x: Tensor) -> Tensor:
    """Round to 8 bits, because the paper's figures are those of files."""
    return from_pillow(to_pillow(x))


def _misfit(truth: Tensor, y: Tensor, operator: str) -> tuple[float, float]:
    """Root mean square of operator(truth) - y, of 255: everywhere, and 4 pixels from the border."""
    from invprior.building import operator_for

    with torch.no_grad():
        squared = (operator_for(operator, image=tuple(truth.shape[1:]))(truth) - y).square()
    everywhere, inside = squared.mean().sqrt(), squared[..., 4:-4, 4:-4].mean().sqrt()
    return 255 * float(everywhere), 255 * float(inside)
