"""What a noise model is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from invprior.fidelities.base import Fidelity
from invprior.registry.options import Plugin


class Noise(ABC, metaclass=Plugin):
    """A model of measurement noise; a frozen, keyword-only dataclass of its parameters."""

    plugin_group: ClassVar[str] = "noises"

    @abstractmethod
    def sample(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a noisy measurement.

        Args:
            clean: noise-free measurements, (B, ...).
            generator: the source of every random number.
        """

    def filled_in(self) -> Noise:
        """Itself, with what is left open, to be estimated, set to what simulations take."""
        return self

    @abstractmethod
    def fidelity(self) -> Fidelity:
        """Return the fidelity that fits this noise: its negative log-likelihood."""
