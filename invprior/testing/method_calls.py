"""How a plugin is used: its methods, each with small seeded tensors to call it with."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

SIZE = (2, 3, 16, 15)  # two images of different content; colours, and sides of different length


@dataclass(frozen=True)
class Use:
    """One method of a plugin, called with a batch of two.

    Attributes:
        name: the method's, for messages.
        plugin: what holds the method, and the tensors that have to follow the images.
        call: takes the plugin and the tensors.
        tensors: in float64, the batch in front.
        shape: what comes back.
    """

    name: str
    plugin: Any
    call: Callable[..., Tensor]
    tensors: tuple[Tensor, ...]
    shape: tuple[int, ...]

    def __call__(self) -> Tensor:
        """The result for the batch."""
        return self.of(*self.tensors)

    def of(self, *tensors: Tensor) -> Tensor:
        """The result for other tensors."""
        with torch.no_grad():
            return self.call(self.plugin, *tensors).detach()  # a module may hand out a parameter

    def to(self, dtype: torch.dtype) -> Use:
        """The same use in another precision, of a copy of the plugin."""
        plugin = copy.deepcopy(self.plugin)
        if isinstance(plugin, nn.Module):
            plugin.to(dtype)
        return replace(self, plugin=plugin, tensors=tuple(t.to(dtype) for t in self.tensors))


def images(*shape: int, seed: int = 0) -> Tensor:
    """Images of flat regions and noise, float64, intensities in [0, 1]; no two of a batch are alike."""
    shape = shape or SIZE
    generator = torch.Generator().manual_seed(seed)
    x = 0.3 + 0.2 * torch.rand(shape, generator=generator, dtype=torch.float64)
    height, width = shape[-2:]
    x[..., : height // 2, width // 3 :] += 0.4
    x[1:] = 0.6 * x[1:].flip(-1)
    return x


def noise(*shape: int, seed: int = 1) -> Tensor:
    """Normal numbers, float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape or SIZE, generator=generator, dtype=torch.float64)


def seeded(seed: int = 0) -> torch.Generator:
    """A random generator on the CPU."""
    return torch.Generator().manual_seed(seed)


def complex_of(dtype: torch.dtype) -> torch.dtype:
    """The complex type of a precision, which measurements may have."""
    return torch.complex64 if dtype == torch.float32 else torch.complex128


ODD_SIZES = (
    (1, 1, 1, 1),
    (1, 1, 1, 9),
    (1, 4, 7, 2),
    (1, 2, 11, 13),
)  # single pixels, no multiples, any channels


def extremes() -> dict[str, Tensor]:
    """Images on which a careless formula divides by 0 or takes a root of what is negative, by name."""
    flat = torch.full(SIZE, 0.3, dtype=torch.float64)
    x = images()
    return {"flat": flat, "black": 0.0 * flat, "negative": -x, "bright": 3.0 * x}
