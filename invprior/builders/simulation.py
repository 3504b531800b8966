"""Simulated measurements y = noise(A(x)) of a known image."""

from __future__ import annotations

import torch
from torch import Tensor

from invprior import registry
from invprior.builders.inference import differentiable
from invprior.builders.measurements import ImageLike, image_batch
from invprior.builders.problem import operator_for
from invprior.errors import OptionError, refuse_complex
from invprior.noises.base import Noise
from invprior.numerics.devices import placed
from invprior.numerics.random import derived_generator
from invprior.operators.base import Operator, Recipe
from invprior.registry.options import plain_name
from invprior.registry.plugin import refuse_complex_for
from invprior.registry.spec import Spec

DENOISE_NOISE = "gaussian:sigma=0.098"  # 25 of 255, the usual denoising benchmark
OTHER_NOISE = "gaussian:sigma=0.01"  # 2.55 of 255, that of a good camera


def default_noise(operator: str) -> str:
    """Return the noise to simulate when none is given: strong for denoising, else weak."""
    return DENOISE_NOISE if operator.partition(":")[0].strip() == "denoise" else OTHER_NOISE


@torch.inference_mode(False)
def simulate(
    truth: ImageLike,
    *,
    operator: str | Spec | Recipe | Operator,
    noise: str | Spec | Noise,
    seed: int = 0,
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Operator]:
    """Measure a known image.

    Args:
        truth: the image, in any form that `solve` takes.
        operator: the forward operator.
        noise: the noise model. Entries without data stay zero.
        seed: seed of the noise. Its random stream differs from that of a solver with the same seed.
        device: where to compute; by default a tensor's own device, else the GPU when there is one.
        dtype: dtype of the measurement.

    Returns:
        The measurement, (B, *measurement_shape), and the operator for the image's size. A signal (N,) is measured as
        an image of one row, (1, 1, 1, N).
    """
    x = image_batch(truth, device, dtype)
    made = differentiable(placed(operator_for(operator, image=tuple(x.shape[1:])), x))
    model = _model(noise)
    with torch.no_grad():
        complex_values = x.is_complex() or made.complex_images
        if complex_values:
            refuse_complex_for((made, model), x.dtype.to_complex())
        clean = made(x)
        if not complex_values:
            refuse_complex(clean.dtype, f"The measurement that {plain_name(type(made))} makes")
        y = noisy(clean, model, seed)
        return (y if made.observation_mask is None else y * made.observation_mask), made


def noisy(clean: Tensor, noise: str | Spec | Noise, seed: int) -> Tensor:
    """Draw noise on measurements of any shape, (B, ...), with the random stream of `simulate`."""
    return _model(noise).sample(clean, derived_generator(seed, "noise"))


def _model(noise: str | Spec | Noise) -> Noise:
    model = registry.create("noises", noise) if isinstance(noise, str | Spec) else noise
    if not isinstance(model, Noise):
        raise OptionError(
            f"The noise must be a name, a spec or a Noise; got {type(model).__name__}."
        )
    return model
