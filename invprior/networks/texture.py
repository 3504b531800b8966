"""Texture networks, in which noise enters at every scale and the scales are joined on the way up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import MinLen
from torch import Tensor, nn
from torch.nn import functional as F

from invprior.errors import OptionError
from invprior.networks.base import Network
from invprior.networks.layers import (
    Padding,
    Positive,
    Upsampling,
    batch_norm,
    conv_layers,
    finish,
    norm_and_activation,
)


@dataclass(frozen=True, kw_only=True)
class Texture(Network):
    """A pyramid of noise maps, each refined and joined to the enlarged coarser ones.

    It is made to synthesise textures. It has few weights. Its maps have the most channels where
    they are largest, so the finest scale takes most of the time.

    Source: Ulyanov et al., "Texture Networks", ICML 2016, as in the code of Ulyanov, Vedaldi
    and Lempitsky, "Deep Image Prior", IJCV 2020.

    Args:
        ratios: size of the image over the size of each scale, the coarsest first. Each is a
            multiple of the next, and the last is 1.
        channels: channels that each scale adds to those of the coarser scales.
        upsample: method that enlarges a coarser map.
        padding: values beyond the border.
        fill: the part of z that a coarser scale sees. average takes the mean of r x r pixels, which
            leaves little of the noise. noise takes every r-th pixel, which gives noise of full
            strength, different at each scale. The authors' fill_noise draws new noise at each call,
            which suits textures but cannot restore an image.
        sigmoid: whether a sigmoid limits the output to (0, 1).
    """

    ratios: Annotated[tuple[Positive, ...], MinLen(1)] = (32, 16, 8, 4, 2, 1)
    channels: Positive = 8
    upsample: Upsampling = "nearest"
    padding: Padding = "zero"
    fill: Literal["average", "noise"] = "average"
    sigmoid: bool = True

    def __post_init__(self) -> None:
        steps = zip(self.ratios, self.ratios[1:], strict=False)
        if self.ratios[-1] != 1 or any(r <= s or r % s for r, s in steps):
            raise OptionError(
                "The ratios of texture must fall to 1, each a multiple of the next; "
                f"got {list(self.ratios)}. Try {list(Texture.ratios)}."
            )

    @property
    def stride(self) -> int:
        """The coarsest ratio."""
        return self.ratios[0]

    def build(self, in_channels: int, out_channels: int, generator: torch.Generator) -> nn.Module:
        """Make a fresh network on the CPU in float32, with weights from the generator."""
        width, scales = self.channels, len(self.ratios)
        pyramid = Pyramid(
            ratios=self.ratios,
            enter=[nn.Sequential(*self._refine(in_channels, width)) for _ in range(scales)],
            # Joined maps are normalised first, which brings those of all scales to the same range.
            join=[
                nn.Sequential(batch_norm(n * width), *self._refine(n * width, n * width))
                for n in range(2, scales + 1)
            ],
            upsample=self.upsample,
            fill=self.fill,
        )
        last = conv_layers(scales * width, out_channels, 1, padding="zero", bias=True)
        return finish([pyramid, *last], sigmoid=self.sigmoid, generator=generator)

    def _refine(self, inputs: int, outputs: int) -> list[nn.Module]:
        """Make three convolutions with 3x3, 3x3 and 1x1 taps, each normalised and rectified."""
        layers: list[nn.Module] = []
        for before, size in ((inputs, 3), (outputs, 3), (outputs, 1)):
            layers += conv_layers(before, outputs, size, padding=self.padding, bias=True)
            layers += norm_and_activation(outputs, True, "leaky-relu")
        return layers


class Pyramid(nn.Module):
    """Scales from the coarsest to the finest, each with z at its size and the coarser maps.

    Args:
        ratios: size of z over the size of each scale; the last is 1.
        enter: layers that each scale applies to its part of z.
        join: layers that each scale but the coarsest applies to its map and the enlarged coarser
            ones.
        upsample: method that enlarges a coarser map.
        fill: method that reduces z to the size of a scale.
    """

    def __init__(
        self,
        *,
        ratios: tuple[int, ...],
        enter: list[nn.Module],
        join: list[nn.Module],
        upsample: Upsampling,
        fill: Literal["average", "noise"],
    ) -> None:
        super().__init__()
        self.enter, self.join = nn.ModuleList(enter), nn.ModuleList(join)
        self.ratios, self.upsample, self.fill = ratios, upsample, fill

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, channels of all scales, H, W)."""
        out: Tensor = self.enter[0](self._part(z, self.ratios[0]))
        for level, join in enumerate(self.join, start=1):
            ratio = self.ratios[level]
            # The quotient is exact: `__post_init__` refuses ratios that are no multiples.
            coarser = F.interpolate(
                out, scale_factor=self.ratios[level - 1] // ratio, mode=self.upsample
            )
            out = join(torch.cat((coarser, self.enter[level](self._part(z, ratio))), 1))
        return out

    def _part(self, z: Tensor, ratio: int) -> Tensor:
        if ratio == 1:
            return z
        if self.fill == "average":
            return F.avg_pool2d(z, ratio)
        first = ratio // 2  # for powers of 2 as ratios, no two scales share a pixel
        return z[..., first::ratio, first::ratio]
