"""Laplace noise, or outliers."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor

from invprior.errors import OptionError
from invprior.fidelities.base import ProximableFidelity


class Laplace(ProximableFidelity):
    """Least absolute values, ||Ax - y||_1 / scale: Laplace noise, or salt and pepper.

    It is not smooth: gradient solvers only follow a subgradient (0 where Ax = y); ADMM and PDHG use
    its prox.

    Args:
        scale: mean absolute value of the noise, in intensities of [0, 1]; estimated from y when
            absent.
    """

    def __init__(self, *, scale: Annotated[float, Gt(0)] | None = None) -> None:
        super().__init__()
        self.scale = scale

    @property
    def noise_level(self) -> float | None:
        """Standard deviation of Laplace noise of this scale, or None while it is open."""
        return None if self.scale is None else self.scale * math.sqrt(2)

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute E of each image, (B,)."""
        return (prediction - y).abs().flatten(1).sum(1) / self._scale()

    def gradient(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Subgradient, sign(prediction - y) / scale."""
        return torch.sign(prediction - y) / self._scale()

    def prox(self, v: Tensor, y: Tensor, tau: float) -> Tensor:
        """Closed form: soft thresholding of v - y by tau / scale."""
        threshold = tau / self._scale()
        residual = v - y
        return v - residual.clamp(-threshold, threshold)

    def with_noise_level(self, sigma: float) -> Laplace:
        """Set an open scale to sigma / sqrt(2), at which Laplace noise has this deviation."""
        return self if self.scale is not None else Laplace(scale=sigma / math.sqrt(2))

    def _scale(self) -> float:
        if self.scale is None:
            raise OptionError(
                "laplace has no scale yet: give one, or let a Problem estimate it from y."
            )
        return self.scale
