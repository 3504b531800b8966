"""Salt-and-pepper noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor

from invprior.fidelities.laplace import Laplace
from invprior.noises.base import Noise


@dataclass(frozen=True, kw_only=True)
class SaltAndPepperNoise(Noise):
    """Some measurements, each drawn on its own, become 0 or 1.

    Args:
        fraction: share of the measurements that is hit, half by salt (1) and half by pepper (0).
    """

    fraction: Annotated[float, Gt(0), Le(1)] = 0.1

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Replace measurements; one uniform number each, drawn in float64 on the CPU, decides."""
        drawn = torch.rand(clean.shape, generator=generator, dtype=torch.float64)
        pepper = (drawn < self.fraction / 2).to(clean.device)
        salt = (drawn >= 1 - self.fraction / 2).to(clean.device)
        return clean.masked_fill(pepper, 0.0).masked_fill(salt, 1.0)

    def fidelity(self) -> Laplace:
        """L1, robust against outliers.

        Its scale is the mean absolute error that this noise makes: salt and pepper miss a value v
        by 1 - v and v, by 1/2 on average.
        """
        return Laplace(scale=self.fraction / 2)
