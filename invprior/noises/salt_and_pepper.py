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
    """Sets each measurement, independently and with a given probability, to 0 or 1.

    Args:
        fraction: share of the measurements that are replaced, half by salt (1) and half by pepper (0).
    """

    fraction: Annotated[float, Gt(0), Le(1)] = 0.1

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Replace measurements, as one uniform number each decides, drawn in float64 on the CPU."""
        drawn = torch.rand(clean.shape, generator=generator, dtype=torch.float64)
        pepper = (drawn < self.fraction / 2).to(clean.device)
        salt = (drawn >= 1 - self.fraction / 2).to(clean.device)
        return clean.masked_fill(pepper, 0.0).masked_fill(salt, 1.0)

    def fidelity(self) -> Laplace:
        """Return L1, which is robust against outliers.

        Its scale is the mean absolute error of this noise: salt and pepper differ from a value v
        by 1 - v and v, which is 1/2 on average.
        """
        return Laplace(scale=self.fraction / 2)
