"""Masks of the frequencies that an undersampled Fourier transform keeps."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from invprior.errors import OptionError

Pattern: TypeAlias = Literal["uniform", "random", "points"]

# The density of random samples falls as (1 - r)^3 to the highest frequency, r = 1.
_FALL = 3.0


def sampling_mask(
    height: int, width: int, acceleration: float, centre: float, pattern: Pattern, seed: int
) -> Tensor:
    """Return which frequencies are sampled, boolean, (height, width), with the zero frequency at the middle.

    Args:
        height: of the image.
        width: of the image.
        acceleration: the number of frequencies over that of samples, at least 1.
        centre: fraction of the columns at the centre that are all sampled; with points, of either side.
        pattern: columns, uniform or random, or single points.
        seed: seed of a random pattern.

    Raises:
        OptionError: the centre alone has more samples than the acceleration allows.
    """
    across = _distances(width)
    if pattern == "points":
        distances = torch.maximum(_distances(height)[:, None], across).flatten()
        radius = (_distances(height)[:, None].square() + across.square()).sqrt().flatten()
    else:
        distances = radius = across
    count = max(round(len(distances) / acceleration), 1)
    inside = distances <= centre
    inside[distances.argmin()] = True
    if int(inside.sum()) > count:
        raise OptionError(
            f"The centre of fourier must leave samples to the other frequencies; got centre={centre:g} at "
            f"acceleration={acceleration:g}, which allows {count} of {len(distances)} samples. Give a smaller centre "
            "or acceleration."
        )
    outside = (~inside).nonzero()[:, 0]
    more = count - int(inside.sum())
    if pattern == "uniform":
        step = len(outside) / max(more, 1)
        chosen = outside[((torch.arange(more) + 0.5) * step).long()]
    else:
        # Weighted sampling without replacement: the largest of u^(1 / density). Drawn on the CPU, so that a seed gives
        # the same mask on every device.
        draw = torch.rand(len(outside), generator=torch.Generator().manual_seed(seed)).double()
        density = (1.0 - radius[outside] / (radius.max() + 1e-3)) ** _FALL
        chosen = outside[(draw.clamp_min(1e-12).log() / density).argsort(descending=True)[:more]]
    sampled = inside.clone()
    sampled[chosen] = True
    if pattern == "points":
        return sampled.view(height, width)
    return sampled.expand(height, width).clone()


def _distances(length: int) -> Tensor:
    """Return the distance of each frequency from the zero frequency, over half of the length, float64."""
    return (torch.arange(length) - length // 2).abs().double() / max(length / 2, 1)
