"""Photon noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor

from invprior.fidelities.poisson import Poisson
from invprior.noises.base import Noise


@dataclass(frozen=True, kw_only=True)
class PoissonNoise(Noise):
    """Photon counting noise: y = n / peak with n from Poisson(peak * clean).

    Args:
        peak: expected count at intensity 1; the fewer, the noisier.
    """

    peak: Annotated[float, Gt(0)] = 255.0

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Draw counts on the CPU in float64; negative intensities count as 0."""
        rate = self.peak * clean.detach().to("cpu", torch.float64).clamp_min(0)
        return (torch.poisson(rate, generator) / self.peak).to(clean)

    def fidelity(self) -> Poisson:
        """The negative Poisson log-likelihood with this peak."""
        return Poisson(peak=self.peak)
