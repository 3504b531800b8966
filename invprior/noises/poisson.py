"""Poisson noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor

from invprior.fidelities.poisson import Poisson, one_of
from invprior.noises.base import Noise


@dataclass(frozen=True, kw_only=True)
class PoissonNoise(Noise):
    """Photon counting noise: (y - offset) / gain is drawn from Poisson((clean - offset) / gain).

    Args:
        peak: expected count at intensity 1, which is 1 / gain; a lower peak is noisier. If both are absent, the peak is
            estimated from y; a simulation uses 255.
        gain: units of the data per photon; give either this or peak.
        offset: the pedestal of the camera, its value without light, in units of the data.
    """

    peak: Annotated[float, Gt(0)] | None = None
    gain: Annotated[float, Gt(0)] | None = None
    offset: float = 0.0

    def __post_init__(self) -> None:
        one_of(self.peak, self.gain)

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Draw counts in float64 on the CPU. Intensities below the offset count as no light."""
        light = clean.detach().to("cpu", torch.float64) - self.offset
        counts = torch.poisson(self._peak * light.clamp_min(0), generator)
        return (counts / self._peak + self.offset).to(clean)

    def filled_in(self) -> PoissonNoise:
        """Set an open peak to 255, that of an 8-bit image whose grey levels are photon counts."""
        return self if self.gain is not None else replace(self, peak=self._peak)

    @property
    def _peak(self) -> float:
        if self.gain is not None:
            return 1 / self.gain
        return 255.0 if self.peak is None else self.peak

    def fidelity(self) -> Poisson:
        """Return the negative Poisson log-likelihood with this peak, to be estimated if it is open."""
        return Poisson(peak=self.peak, gain=self.gain, offset=self.offset)
