"""A cell's images: the truth, the measurement, and the operator between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from invprior.builders.problem import operator_for, placed
from invprior.builders.simulation import simulate
from invprior.errors import IncompatibleError, MeasurementError
from invprior.io import samples
from invprior.matrix.results.cells import Job, place
from invprior.numerics.random import derived_seed
from invprior.operators.base import Operator
from invprior.operators.inpaint import Inpaint
from invprior.provenance import data_hash
from invprior.registry.spec import parse

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Case:
    """One measurement.

    Attributes:
        truth: (1, C, H, W), intensities in [0, 1].
        y: (1, *measurement_shape).
        operator: made for the truth's size.
        noise: the spec that the methods are told; None leaves the noise to be estimated.
    """

    truth: Tensor
    y: Tensor
    operator: Operator
    noise: str | None


def prepare(job: Job, image: str | None = None) -> Case:
    """Read a job's image, or another one, and measure it; all methods of a seed see the same measurement.

    Raises:
        InvpriorError: a file cannot be read, or the parts do not fit each other.
    """
    name, protocol, size = image or job.cell.image, job.protocol, job.setting.size
    whole = samples.resolve(place(job, "truth", name)).x
    truth = _reduced(whole, size, protocol.multiple).to(job.setting.device)
    told = job.cell.noise if job.cell.noise and protocol.tell_noise else None
    operator: Operator
    if protocol.masked:
        operator = Inpaint(tuple(truth.shape[1:]), mask=_mask(job, name, whole))
    else:
        operator = operator_for(job.cell.operator, image=tuple(truth.shape[1:]))
    operator = placed(operator, truth)
    if protocol.measurement:
        given = samples.resolve(place(job, "measurement", name)).x.to(truth)
        if given.shape == whole.shape:
            given = _reduced(given, size, protocol.multiple)
        return Case(truth, _fitting(given, operator, name), operator, told)
    if protocol.resample:
        height, width = operator.measurement_shape[-2:]
        y = _fitting(resized(truth, height, width, protocol.resample), operator, name)
    else:
        with torch.no_grad():
            y = operator(truth)
    if job.cell.noise:
        about = data_hash(truth), str(job.options["operators"]), str(job.options["noises"])
        seed = derived_seed(job.cell.seed, "matrix", *about)
        y, _ = simulate(y, operator="denoise", noise=job.cell.noise, seed=seed)
    if operator.observation_mask is not None:
        y = y * operator.observation_mask
    return Case(truth, y, operator, told)


def resized(x: Tensor, height: int, width: int, how: str) -> Tensor:
    """Resize by Pillow's filter of that name, in 8 bits as in a file: (1, C, H, W) to (1, C, height, width)."""
    from PIL import Image

    filters = {"lanczos": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC}
    small = _pillow(x).resize((width, height), filters[how])
    return _tensor(small).to(x)


def rounded(x: Tensor) -> Tensor:
    """Clip to [0, 1] and round to 8 bits."""
    return (x.clamp(0, 1) * 255).round() / 255


def _pillow(x: Tensor) -> Image.Image:
    from PIL import Image

    if x.shape[1] not in (1, 3):
        raise IncompatibleError(f"Pillow resizes 1 or 3 channels; the image has {x.shape[1]}.")
    array = (rounded(x)[0] * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def _tensor(image: Image.Image) -> Tensor:
    import numpy as np

    from invprior.io.images import to_tensor

    return to_tensor(np.array(image))


def _reduced(x: Tensor, size: int, multiple: int) -> Tensor:
    """Take the middle, of the size at most, its sides multiples of a number."""
    height, width = (min(n, size or n) // multiple * multiple for n in x.shape[-2:])
    if not height or not width:
        raise MeasurementError(
            f"An image of {x.shape[-2]} x {x.shape[-1]} cannot be cropped to sides that are multiples of {multiple}. "
            "Take a larger --size, or another image."
        )
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width].contiguous()


def _mask(job: Job, name: str, whole: Tensor) -> Tensor:
    """The mask of a published masked image, (H, W), which equals the truth where a pixel is known."""
    if parse(job.cell.operator).name.rpartition("/")[2] != "inpaint":
        raise IncompatibleError(
            f"Masked images go with the operator inpaint; got {job.cell.operator}. Leave `masked` out."
        )
    masked = samples.resolve(place(job, "masked", name)).x
    if masked.shape != whole.shape:
        raise MeasurementError(
            f"The masked image of {name} must have the truth's shape, {tuple(whole.shape[1:])}; "
            f"got {tuple(masked.shape[1:])}."
        )
    known = (masked == whole).all(1, keepdim=True)
    return _reduced(known, job.setting.size, job.protocol.multiple)[0, 0]


def _fitting(y: Tensor, operator: Operator, name: str) -> Tensor:
    if tuple(y.shape[1:]) != tuple(operator.measurement_shape):
        raise MeasurementError(
            f"The measurement of {name} must have the shape {tuple(operator.measurement_shape)} that the operator "
            f"gives; got {tuple(y.shape[1:])}."
        )
    return y
