"""Poisson noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
        peak: expected count at intensity 1; a lower peak is noisier. If it is absent, it is estimated from y; a
            simulation uses 255.
    """

    peak: Annotated[float, Gt(0)] | None = None

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Draw counts in float64 on the CPU. Negative intensities count as 0."""
        rate = self._peak * clean.detach().to("cpu", torch.float64).clamp_min(0)
        return (torch.poisson(rate, generator) / self._peak).to(clean)

    def filled_in(self) -> PoissonNoise:
        """Set an open peak to 255, that of an 8-bit image whose grey levels are photon counts."""
        return replace(self, peak=self._peak)

    @property
    def _peak(self) -> float:
        return 255.0 if self.peak is None else self.peak

    def fidelity(self) -> Poisson:
        """Return the negative Poisson log-likelihood with this peak, to be estimated if it is open."""
        return Poisson(peak=self.peak)
