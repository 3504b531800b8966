"""The base class of denoisers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from torch import Tensor

from invprior.errors import is_complex
from invprior.numerics.complex_parts import from_parts, parts
from invprior.registry.plugin import Plugin


class Denoiser(ABC, metaclass=Plugin):
    """A denoiser D(x, sigma) for additive white Gaussian noise.

    A denoiser without tensors is best a frozen, keyword-only dataclass. One with tensors derives from `nn.Module` too.

    Every denoiser denoises complex images. Unless its class says that it `takes_complex` ones, it sees the real and the
    imaginary parts as channels, (B, 2 C, H, W), all with the same noise.
    """

    plugin_group: ClassVar[str] = "denoisers"
    takes_complex: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = cls.__dict__.get("denoise")
        if own is not None:
            cls.denoise = _in_parts(own)  # type: ignore[method-assign]

    @abstractmethod
    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of standard deviation sigma.

        Args:
            x: noisy images, (B, C, H, W), of any size and number of channels; values may lie
                outside [0, 1].
            sigma: standard deviation of the noise, positive, in x's intensities; of complex images that of the real
                and of the imaginary part, as for the noise `gaussian`.

        Returns:
            Images of x's shape, dtype and device. Each depends on its own input alone. An image of
            one row or one column is denoised along its length. A single pixel has no neighbours and
            comes back as it is.
        """

    @property
    def stand_in(self) -> Denoiser:
        """A faster denoiser of which the same weight is best, see `Functional.stand_in`; by default itself."""
        return self


def _in_parts(denoise: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return the method, which sees complex images as their parts unless its class takes them."""

    @wraps(denoise)
    def called(self: Denoiser, x: Tensor, sigma: float) -> Tensor:
        if self.takes_complex or not is_complex(x):
            return denoise(self, x, sigma)
        return from_parts(denoise(self, parts(x), sigma))

    return called
