"""The base class of denoisers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from invprior.registry.plugin import Plugin


class Denoiser(ABC, metaclass=Plugin):
    """A denoiser D(x, sigma) for additive white Gaussian noise.

    A denoiser without tensors is best a frozen, keyword-only dataclass. One with tensors derives from `nn.Module` too.
    """

    plugin_group: ClassVar[str] = "denoisers"
    real_methods: ClassVar[tuple[str, ...]] = ("denoise",)

    @abstractmethod
    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of standard deviation sigma.

        Args:
            x: noisy images, (B, C, H, W), of any size and number of channels; values may lie
                outside [0, 1].
            sigma: standard deviation of the noise, positive, in x's intensities.

        Returns:
            Images of x's shape, dtype and device. Each depends on its own input alone. An image of
            one row or one column is denoised along its length. A single pixel has no neighbours and
            comes back as it is.
        """

    @property
    def stand_in(self) -> Denoiser:
        """A faster denoiser of which the same weight is best, for the search of that weight; by default itself."""
        return self
