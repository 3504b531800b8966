"""Input and callbacks shared by the experiments."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from torch import Tensor

from invprior import registry
from invprior.builders.measurements import ImageLike, image_batch
from invprior.errors import MeasurementError, OptionError
from invprior.metrics.base import score_range
from invprior.noises.base import Noise
from invprior.problem.solution import Iterate
from invprior.registry.spec import Spec
from invprior.runner.history import Callback

Watch: TypeAlias = Callable[[str, Iterate], object]  # called with a run's name and each iterate


def single_image(truth: ImageLike) -> Tensor:
    """Return one image, given in any form that `solve` accepts, as (1, C, H, W), intensities in [0, 1].

    An image outside [0, 1], or that spans less than a quarter of it, is mapped to [0, 1] by its minimum and maximum,
    with a note: the noise and the losses of the experiments are in intensities of [0, 1].

    Raises:
        MeasurementError: it is a batch of several.
    """
    x = image_batch(truth)
    if len(x) != 1:
        raise MeasurementError(
            f"The image of an experiment must be a single one; got a batch of {len(x)}. Pass one of them."
        )
    low, high = score_range(x)
    if (low, high) == (0, 1):
        return x
    logging.getLogger("invprior").warning(
        "the image's intensities, %.4g to %.4g, are mapped to 0 to 1 for the experiment", low, high
    )
    return (x - low) / (high - low)


def noise_from(noise: str | Spec | Noise) -> Noise:
    """Return a noise model, given as such or as a spec.

    Raises:
        InvpriorError: the noise is unknown, or its options are wrong.
    """
    made: Any = registry.create("noises", noise) if isinstance(noise, str | Spec) else noise
    if not isinstance(made, Noise):
        raise OptionError(
            f"The noise must be a name, a spec or a Noise; got {type(made).__name__}."
        )
    return made


def callbacks_of(watch: Watch | None, name: str) -> list[Callback]:
    """Return the callbacks of one run: the caller's with the run's name filled in, if there is one."""
    return [] if watch is None else [lambda iterate: watch(name, iterate)]
