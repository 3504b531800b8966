"""Photon noise."""

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
        peak: expected count at intensity 1; the fewer, the noisier. Absent: estimated from a measurement; in a
            simulation 255.
    """

    peak: Annotated[float, Gt(0)] | None = None

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Draw counts on the CPU in float64; negative intensities count as 0."""
        rate = self._peak * clean.detach().to("cpu", torch.float64).clamp_min(0)
        return (torch.poisson(rate, generator) / self._peak).to(clean)

    def filled_in(self) -> PoissonNoise:
        """Peak 255, that of an 8-bit image whose grey levels are photons, where it is open."""
        return replace(self, peak=self._peak)

    @property
    def _peak(self) -> float:
        return 255.0 if self.peak is None else self.peak

    def fidelity(self) -> Poisson:
        """The negative Poisson log-likelihood with this peak, or an estimated one."""
        return Poisson(peak=self.peak)
