"""Anti-aliasing kernels for downsampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Name: TypeAlias = Literal["lanczos2", "lanczos3", "bicubic", "box"]


def taps(name: Name, factor: int) -> Tensor:
    """Sample a kernel, widened by the factor, at the pixels around a block's centre.

    For an even factor the centre lies between two pixels. This is phase 0.5 of the Deep Image Prior
    paper's downsampler, with 4 * factor weights for lanczos2. For an odd factor the centre is a
    pixel.

    Returns:
        Weights that sum to 1, (k,), float64, symmetric.
    """
    support, profile = _PROFILES[name]
    shift = (factor - 1) / 2
    margin = math.floor(support * factor + shift)
    offsets = (torch.arange(-margin, margin + factor, dtype=torch.float64) - shift) / factor
    offsets = offsets[offsets.abs() < support]  # the weights at the support's ends are 0
    weights = profile(offsets.abs())
    return weights / weights.sum()


def _lanczos(lobes: int) -> Callable[[Tensor], Tensor]:
    return lambda t: torch.sinc(t) * torch.sinc(t / lobes)


def _bicubic(t: Tensor) -> Tensor:
    """Return the cubic convolution kernel of Keys 1981, with a = -1/2."""
    near = (1.5 * t - 2.5) * t**2 + 1.0
    far = ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    return torch.where(t <= 1.0, near, far)


# Half the width of each kernel in units of the factor, and its values at distances >= 0.
_PROFILES: Mapping[str, tuple[float, Callable[[Tensor], Tensor]]] = {
    "lanczos2": (2.0, _lanczos(2)),
    "lanczos3": (3.0, _lanczos(3)),
    "bicubic": (2.0, _bicubic),
    "box": (0.5, torch.ones_like),
}
