"""A noise model for invprior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor

from invprior import Fidelity, Noise
from invprior.fidelities.gaussian import Gaussian


@dataclass(frozen=True, kw_only=True)
class Mine(Noise):
    """Uniform noise, as from rounding.

    Args:
        width: distance between its lowest and its highest value, in units of the data.
    """

    width: Annotated[float, Gt(0)] = 0.1

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Add noise to noise-free measurements, (B, ...)."""
        # float64 on the CPU: a seed then gives the same noise on every device and in every precision
        draw = torch.rand(clean.shape, generator=generator, dtype=torch.float64) - 0.5
        return clean + (self.width * draw).to(clean)

    def fidelity(self) -> Fidelity:
        """Return least squares at the standard deviation, because the uniform likelihood has no gradient."""
        return Gaussian(sigma=self.width / 12**0.5)
