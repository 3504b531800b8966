"""The base class of noise models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from invprior.fidelities.base import Fidelity
from invprior.registry.plugin import Plugin


class Noise(ABC, metaclass=Plugin):
    """A model of measurement noise; a frozen, keyword-only dataclass of its parameters.

    Attributes:
        takes_complex: whether it also draws complex measurements.
    """

    plugin_group: ClassVar[str] = "noises"
    real_methods: ClassVar[tuple[str, ...]] = ("sample",)
    takes_complex: ClassVar[bool] = False

    @abstractmethod
    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Draw noisy measurements.

        Args:
            clean: noise-free measurements, (B, ...).
            generator: the source of every random number.

        Returns:
            Measurements of the same shape.
        """

    def filled_in(self) -> Noise:
        """Return the model with its open parameters set to the defaults of simulations."""
        return self

    @abstractmethod
    def fidelity(self) -> Fidelity:
        """Return the fidelity of this noise: its negative log-likelihood."""
