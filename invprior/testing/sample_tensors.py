"""Small tensors with fixed seeds, on which plugins are tried."""

from __future__ import annotations

import torch
from torch import Tensor

# Two different images reveal a method that mixes a batch; sides of different length reveal exchanged axes.
SIZE = (2, 3, 16, 15)

# Single pixels, sides that are no multiple of a stride or a block, and numbers of channels other than 1 and 3.
ODD_SIZES = ((1, 1, 1, 1), (1, 1, 1, 9), (1, 4, 7, 2), (1, 2, 11, 13))


def images(*shape: int, seed: int = 0) -> Tensor:
    """Return images of flat regions and noise, float64, intensities in [0, 1], each different from the others."""
    shape = shape or SIZE
    x = 0.3 + 0.2 * torch.rand(shape, generator=seeded(seed), dtype=torch.float64)
    height, width = shape[-2:]
    x[..., : height // 2, width // 3 :] += 0.4
    # Darker and mirrored, as equal images would hide a method that mixes them.
    x[1:] = 0.6 * x[1:].flip(-1)
    return x


def noise(*shape: int, seed: int = 1) -> Tensor:
    """Return standard normal numbers, float64."""
    return torch.randn(shape or SIZE, generator=seeded(seed), dtype=torch.float64)


def seeded(seed: int = 0) -> torch.Generator:
    """Return a random generator on the CPU."""
    return torch.Generator().manual_seed(seed)


def extremes() -> dict[str, tuple[Tensor]]:
    """Return, by name, images on which a careless formula divides by 0 or takes the root of a negative number."""
    flat = torch.full(SIZE, 0.3, dtype=torch.float64)
    x = images()
    return {
        "flat images": (flat,),
        "black images": (0.0 * flat,),
        "negative images": (-x,),
        "bright images": (3.0 * x,),
    }
