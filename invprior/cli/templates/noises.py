"""A noise model in a package of its own."""

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
    """Uniform noise, as rounding leaves it.

    Args:
        width: from its lowest value to its highest, in intensities of [0, 1].
    """

    width: Annotated[float, Gt(0)] = 0.1

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Add noise, drawn in float64 on the CPU: the same for every device and precision."""
        draw = torch.rand(clean.shape, generator=generator, dtype=torch.float64) - 0.5
        return clean + (self.width * draw).to(clean)

    def fidelity(self) -> Fidelity:
        """Least squares at its standard deviation, for its own likelihood has no slope."""
        return Gaussian(sigma=self.width / 12**0.5)
