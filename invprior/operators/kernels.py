"""Blur kernels in float64 that sum to 1. The centre of a kernel is at index size // 2."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def gaussian(sigma: float) -> Tensor:
    """Return a Gaussian, cut at 4 standard deviations as in SciPy's filter.

    Args:
        sigma: standard deviation in pixels.
    """
    radius = max(int(4.0 * sigma + 0.5), 1)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    profile = torch.exp(-0.5 * (offsets / sigma) ** 2)
    return _normalised(torch.outer(profile, profile))


def uniform(size: int) -> Tensor:
    """Return the mean of size x size pixels."""
    return _normalised(torch.ones(size, size, dtype=torch.float64))


def disk(radius: float) -> Tensor:
    """Return a disk, as of a defocused lens; a pixel's weight is its area inside the disk.

    Args:
        radius: in pixels.
    """
    # The areas are counts of 16 x 16 points per pixel.
    half_width, fine = max(math.ceil(radius - 0.5), 0), 16
    offsets = (
        (torch.arange((2 * half_width + 1) * fine, dtype=torch.float64) + 0.5) / fine
        - half_width
        - 0.5
    )
    inside = (offsets[:, None] ** 2 + offsets**2 <= radius**2).double()
    side = 2 * half_width + 1
    return _normalised(inside.view(side, fine, side, fine).sum((1, 3)))


def motion(length: float, angle: float) -> Tensor:
    """Return a straight motion; a pixel's weight is the length of the path inside it.

    Args:
        length: in pixels.
        angle: degrees, counter-clockwise from the horizontal.
    """
    direction = [-math.sin(math.radians(angle)), math.cos(math.radians(angle))]  # down, right
    # Rounding of the angle must not add rows to a horizontal path, or columns to a vertical one.
    direction = [0.0 if abs(d) < 1e-9 else d for d in direction]
    half = length / 2.0
    margins = [math.ceil(abs(d) * half - 0.5) if abs(d) * half > 0.5 else 0 for d in direction]
    # The path from -half to half enters another pixel where a coordinate is half an odd number.
    crossings = [
        (n + 0.5) / d for d, r in zip(direction, margins, strict=True) if d for n in range(-r, r)
    ]
    inner = torch.tensor(crossings, dtype=torch.float64).clamp(-half, half)
    ends = torch.tensor([-half, half], dtype=torch.float64)
    stops = torch.cat([ends, inner]).sort().values
    middles = (stops[1:] + stops[:-1]) / 2
    rows, columns = (
        (middles * d).round().long().clamp(-r, r) + r
        for d, r in zip(direction, margins, strict=True)
    )
    kernel = torch.zeros(2 * margins[0] + 1, 2 * margins[1] + 1, dtype=torch.float64)
    kernel.index_put_((rows, columns), stops.diff(), accumulate=True)
    kernel[kernel < 1e-9] = 0.0  # rounding leaves tiny weights where the path meets a corner
    # A path is symmetric about its centre; averaging makes the kernel exactly so.
    return _normalised((kernel + kernel.flip(0, 1)) / 2)


def _normalised(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum()


# The named kernels, with their options and the defaults.
KERNELS: Mapping[str, tuple[Callable[..., Tensor], Mapping[str, float]]] = {
    "gaussian": (gaussian, {"sigma": 1.6}),
    "motion": (motion, {"length": 15.0, "angle": 0.0}),
    "uniform": (uniform, {"size": 9}),
    "disk": (disk, {"radius": 4.0}),
}
