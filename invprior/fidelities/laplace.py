"""The data fidelity of Laplace noise, and of outliers."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor

from invprior.fidelities.base import ProximableFidelity, given


class Laplace(ProximableFidelity):
    """Least absolute values, ||Ax - y||_1 / scale, for Laplace noise or salt and pepper.

    It is not smooth. Gradient solvers follow a subgradient, which is 0 where Ax = y. ADMM and PDHG
    use its prox.

    Args:
        scale: mean absolute value of the noise, in units of the data; estimated from y when
            absent.
    """

    offset_invariant = True

    def __init__(self, *, scale: Annotated[float, Gt(0)] | None = None) -> None:
        super().__init__()
        self.scale = scale

    @property
    def noise_level(self) -> float | None:
        """The standard deviation of Laplace noise of this scale, or None while the scale is open."""
        return None if self.scale is None else self.scale * math.sqrt(2)

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return E of each image, (B,)."""
        return (prediction - y).abs().flatten(1).sum(1) / self._scale()

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Return the subgradient sign(prediction - y) / scale."""
        return torch.sign(prediction - y) / self._scale()

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Return y plus v - y, soft-thresholded by tau / scale."""
        threshold = tau / self._scale()
        # A value minus its part within the threshold is its soft threshold.
        residual = v - y
        return v - residual.clamp(-threshold, threshold)

    def with_noise_level(self, sigma: float) -> Laplace:
        """Return the fidelity with an open scale set to sigma / sqrt(2), that of such Laplace noise."""
        return self if self.scale is not None else Laplace(scale=sigma / math.sqrt(2))

    def _scale(self) -> float:
        return given(self.scale, "scale", "laplace")
