"""The data of a cell: the true image, the measurement, and the operator between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from invprior.builders.problem import operator_for
from invprior.builders.ranges import photograph_range
from invprior.builders.simulation import noisy
from invprior.errors import IncompatibleError, MeasurementError
from invprior.io import samples
from invprior.io.display import UNIT, window_of
from invprior.matrix.results.cells import Job, place
from invprior.metrics.base import Range
from invprior.numerics.devices import placed
from invprior.numerics.random import derived_seed
from invprior.operators.base import Operator
from invprior.operators.inpaint import Inpaint
from invprior.problem.units import DataRange
from invprior.provenance import data_hash
from invprior.registry.spec import parse

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Case:
    """One measurement.

    Attributes:
        truth: (1, C, H, W), in the units of its file.
        y: (1, *measurement_shape).
        operator: made for the truth's size.
        noise: the spec that the methods get; None if they estimate the noise.
        data_range: [0, 1] for a photograph, whose range every method knows; None if they estimate it.
    """

    truth: Tensor
    y: Tensor
    operator: Operator
    noise: str | None
    data_range: DataRange | None = None


def prepare(job: Job, image: str | None = None) -> Case:
    """Read a job's image, or another one, and measure it. All methods of a seed get the same measurement.

    Raises:
        InvpriorError: a file cannot be read, or the parts do not fit each other.
    """
    name, protocol, size = image or job.cell.image, job.protocol, job.setting.size
    source = samples.resolve(place(job, "truth", name))
    whole = source.x
    truth = _reduced(whole, size, protocol.multiple).to(job.setting.device)
    known_noise = job.cell.noise if job.cell.noise and protocol.tell_noise else None
    operator: Operator
    if protocol.masked:
        # The mask comes from the data, so the spec's own options do not apply.
        operator = Inpaint(tuple(truth.shape[1:]), mask=_mask(job, name, whole))
    else:
        operator = operator_for(job.cell.operator, image=tuple(truth.shape[1:]))
    operator = placed(operator, truth)
    data_range = photograph_range(whole) if source.scaled else None
    if protocol.measurement:
        given = samples.resolve(place(job, "measurement", name)).x.to(truth.device)
        if (
            given.shape == whole.shape
        ):  # then it is cropped like the truth; else it must fit already
            given = _reduced(given, size, protocol.multiple)
        return Case(truth, _checked(given, operator, name), operator, known_noise, data_range)
    if protocol.resample:
        height, width = operator.measurement_shape[-2:]
        y = _checked(resized(truth, height, width, protocol.resample), operator, name)
    else:
        with torch.no_grad():
            y = operator(truth)
    if job.cell.noise:
        # By what is measured alone, so that the noise is the same for every method.
        about = data_hash(truth), str(job.options["operators"]), str(job.options["noises"])
        seed = derived_seed(job.cell.seed, "matrix", *about)
        y = noisy(y, job.cell.noise, seed)
    if operator.observation_mask is not None:
        y = y * operator.observation_mask  # the noise does not reach missing pixels
    return Case(truth, y, operator, known_noise, data_range)


def resized(x: Tensor, height: int, width: int, how: str) -> Tensor:
    """Resize (1, C, H, W) to (1, C, height, width) by one of Pillow's filters, in 8 bits as in a file."""
    from PIL import Image

    filters = {"lanczos": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC}
    small = _pillow(x).resize((width, height), filters[how])
    return _tensor(small).to(x)


def rounded(x: Tensor, within: Range = (0.0, 1.0)) -> Tensor:
    """Clip to the range and round to the 256 levels of 8 bits between its ends."""
    low, high = within
    levels = ((x - low) / (high - low)).clamp(0, 1) * 255
    return low + (levels.round() / 255) * (high - low)


def _pillow(x: Tensor) -> Image.Image:
    from PIL import Image

    if x.shape[1] not in (1, 3):
        raise IncompatibleError(f"Pillow resizes 1 or 3 channels; the image has {x.shape[1]}.")
    if UNIT.for_measurement(x) != UNIT:
        raise IncompatibleError(
            f"Pillow resizes images of 8 bits, in [0, 1]; the image has {window_of(x)}. Scale it to [0, 1] first."
        )
    # The second rounding only removes the error of multiplying by 255 again.
    array = (rounded(x)[0] * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def _tensor(image: Image.Image) -> Tensor:
    import numpy as np

    from invprior.io.images import to_tensor

    return to_tensor(np.array(image))


def _reduced(x: Tensor, size: int, multiple: int) -> Tensor:
    """Crop around the centre to at most this size, with sides that are multiples of a number."""
    height, width = (min(n, size or n) // multiple * multiple for n in x.shape[-2:])
    if not height or not width:
        raise MeasurementError(
            f"An image of {x.shape[-2]} x {x.shape[-1]} cannot be cropped to sides that are multiples of {multiple}. "
            "Use a larger --size, or another image."
        )
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width].contiguous()


def _mask(job: Job, name: str, whole: Tensor) -> Tensor:
    """Return the mask, (H, W), of a published masked image, which equals the truth at known pixels."""
    if parse(job.cell.operator).name.rpartition("/")[2] != "inpaint":
        raise IncompatibleError(
            f"Masked images need the operator inpaint; got {job.cell.operator}. Leave `masked` out."
        )
    masked = samples.resolve(place(job, "masked", name)).x
    if masked.shape != whole.shape:
        raise MeasurementError(
            f"The masked image of {name} must have the truth's shape, {tuple(whole.shape[1:])}; "
            f"got {tuple(masked.shape[1:])}."
        )
    known = (masked == whole).all(1, keepdim=True)  # a pixel is known in all channels or in none
    return _reduced(known, job.setting.size, job.protocol.multiple)[0, 0]


def _checked(y: Tensor, operator: Operator, name: str) -> Tensor:
    if tuple(y.shape[1:]) != tuple(operator.measurement_shape):
        raise MeasurementError(
            f"The measurement of {name} must have the operator's shape {tuple(operator.measurement_shape)}; "
            f"got {tuple(y.shape[1:])}."
        )
    return y
