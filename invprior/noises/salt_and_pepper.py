"""Salt-and-pepper noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt, Le
from torch import Tensor

from invprior.errors import OptionError
from invprior.fidelities.laplace import Laplace
from invprior.noises.base import Noise


@dataclass(frozen=True, kw_only=True)
class SaltAndPepperNoise(Noise):
    """Sets each measurement, independently and with a given probability, to white or to black.

    Args:
        fraction: share of the measurements that are replaced, half by salt and half by pepper.
        salt: intensity of white, in units of the data.
        pepper: intensity of black, in units of the data, below `salt`.

    Raises:
        OptionError: salt is not above pepper.
    """

    fraction: Annotated[float, Gt(0), Le(1)] = 0.1
    salt: float = 1.0
    pepper: float = 0.0

    def __post_init__(self) -> None:
        if self.salt <= self.pepper:
            raise OptionError(
                f'The option "salt" of salt-and-pepper must be above pepper, {self.pepper:g}; got {self.salt:g}. '
                "Give the intensities of white and black in your data, such as salt=255,pepper=0."
            )

    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Replace measurements, as one uniform number each decides, drawn in float64 on the CPU."""
        drawn = torch.rand(clean.shape, generator=generator, dtype=torch.float64)
        pepper = (drawn < self.fraction / 2).to(clean.device)
        salt = (drawn >= 1 - self.fraction / 2).to(clean.device)
        return clean.masked_fill(pepper, self.pepper).masked_fill(salt, self.salt)

    def fidelity(self) -> Laplace:
        """Return L1, which is robust against outliers.

        Its scale is the mean absolute error of this noise: salt and pepper differ from a value v
        by salt - v and v - pepper, which is half their distance on average.
        """
        return Laplace(scale=self.fraction * (self.salt - self.pepper) / 2)
