"""Every operator, boundary and kind of kernel, for the tests that hold for all of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from invprior.operators.base import Compose, LinearOperator, Recipe
from invprior.operators.blur import Blur
from invprior.operators.denoise import Denoise
from invprior.operators.downsample import Downsample
from invprior.operators.inpaint import Inpaint

_generator = torch.Generator().manual_seed(5)
LOPSIDED = torch.rand(4, 5, generator=_generator, dtype=torch.float64)
LOPSIDED[0, 0] += 9.0  # off-centre
LOPSIDED /= LOPSIDED.sum()
DENSE = torch.rand(9, 10, generator=_generator, dtype=torch.float64)  # goes by Fourier transforms
DENSE /= DENSE.sum()
SIGNED = torch.tensor([[0.0, -0.5, 0.0], [-0.25, 2.0, -0.25], [0.0, 0.0, 0.0]])

KERNELS: dict[str, dict[str, Any]] = {
    "gaussian": {"sigma": 0.7},
    "wide": {"sigma": 1.6},
    "motion": {"kernel": "motion", "length": 5.0, "angle": 30.0},
    "level": {"kernel": "motion", "length": 4.0},
    "uniform": {"kernel": "uniform", "size": 3},
    "even": {"kernel": "uniform", "size": 4},
    "disk": {"kernel": "disk", "radius": 2.2},
    "lopsided": {"kernel": LOPSIDED},
    "dense": {"kernel": DENSE},
    "signed": {"kernel": SIGNED},
}
BLURS = {
    f"blur-{name}-{boundary}": Recipe(Blur, {**options, "boundary": boundary})
    for name, options in KERNELS.items()
    for boundary in ("reflect", "circular", "valid")
}
DOWNSAMPLES = {
    f"downsample-{kernel}-{factor}-{boundary}": Recipe(
        Downsample, {"kernel": kernel, "factor": factor, "boundary": boundary}
    )
    for kernel in ("lanczos2", "lanczos3", "bicubic", "box")
    for factor in (2, 3)
    for boundary in ("reflect", "circular")
}
OTHERS = {
    "denoise": Recipe(Denoise),
    "inpaint-keep": Recipe(Inpaint, {"keep": 0.3, "seed": 4}),
    "inpaint-boxes": Recipe(Inpaint, {"boxes": ((1, 2, 3, 4), (0, 0, 2, 2))}),
    "inpaint-text": Recipe(Inpaint, {"text": "lorem ipsum"}),
    "compose": Recipe(
        Compose,
        {
            "operators": (
                Recipe(Blur, {"sigma": 0.7, "boundary": "valid"}),
                Recipe(Downsample, {"factor": 2}),
                Recipe(Inpaint, {"keep": 0.7}),
            )
        },
    ),
}
ALL = {**BLURS, **DOWNSAMPLES, **OTHERS}
SIZES = ((16, 16), (13, 18), (17, 15))


def cases(recipes: dict[str, Recipe]) -> pytest.MarkDecorator:
    """Run a test for each of these operators."""
    return pytest.mark.parametrize("recipe", recipes.values(), ids=recipes.keys())


def dense(operator: LinearOperator) -> torch.Tensor:
    """Write an operator on images of one channel as a matrix, float64."""
    size = operator.image_shape
    pixels = torch.eye(size[-2] * size[-1], dtype=torch.float64).view(-1, *size)
    return operator(pixels).flatten(1).T


def randn(
    shape: tuple[int, ...], seed: int = 0, dtype: torch.dtype = torch.float64
) -> torch.Tensor:
    """Normal numbers from a seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def rand(shape: tuple[int, ...], seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Uniform numbers from a seed."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
