"""What a denoiser is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from invprior.registry.options import Plugin


class Denoiser(ABC, metaclass=Plugin):
    """A denoiser D(x, sigma) for additive white Gaussian noise.

    Without tensors of its own it is best a frozen, keyword-only dataclass; with them, also an `nn.Module`.
    """

    plugin_group: ClassVar[str] = "denoisers"

    @abstractmethod
    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of a standard deviation.

        Args:
            x: noisy images, (B, C, H, W), any channel count and size; values may leave [0, 1].
            sigma: standard deviation of the noise, positive, in x's intensities.

        Returns:
            Images of x's shape, dtype and device; each depends on its own input only.
        """
