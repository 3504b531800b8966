"""Texture networks: noise enters at every scale, and the scales are joined on the way up."""

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
    initialise,
    norm_and_activation,
)


@dataclass(frozen=True, kw_only=True)
class Texture(Network):
    """A pyramid of noise maps, each refined and joined to the enlarged coarser ones.

    Made to synthesise textures. It has few weights, but its maps are widest where they are largest,
    so the finest scale takes most of the time.

    Source: Ulyanov et al., "Texture Networks", ICML 2016, as in the code beside Ulyanov, Vedaldi
    and Lempitsky, "Deep Image Prior", IJCV 2020.

    Args:
        ratios: how many times smaller each scale is than the image, the coarsest first; each a
            multiple of the next, the last one 1.
        channels: channels that each scale adds to those of the coarser ones.
        upsample: how a coarser map is enlarged.
        padding: what stands beyond the border.
        fill: what a coarser scale sees of z: the average of r x r pixels, which leaves little of
            noise, or every r-th pixel, which is noise of full strength and other noise at each
            scale. The authors' fill_noise draws that noise anew at each call, which suits textures
            but cannot restore an image.
        sigmoid: whether the output is squeezed into (0, 1).
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
        """Make a fresh network with weights from the generator, on the CPU in float32."""
        width, scales = self.channels, len(self.ratios)
        pyramid = Pyramid(
            ratios=self.ratios,
            enter=[nn.Sequential(*self._refine(in_channels, width)) for _ in range(scales)],
            join=[
                nn.Sequential(batch_norm(n * width), *self._refine(n * width, n * width))
                for n in range(2, scales + 1)
            ],
            upsample=self.upsample,
            fill=self.fill,
        )
        last = conv_layers(scales * width, out_channels, 1, padding="zero", bias=True)
        network = nn.Sequential(pyramid, *last, *([nn.Sigmoid()] if self.sigmoid else []))
        initialise(network, generator)
        return network

    def _refine(self, inputs: int, outputs: int) -> list[nn.Module]:
        """Make three convolutions, of 3x3, 3x3 and 1x1 taps, normalised and rectified."""
        layers: list[nn.Module] = []
        for before, size in ((inputs, 3), (outputs, 3), (outputs, 1)):
            layers += conv_layers(before, outputs, size, padding=self.padding, bias=True)
            layers += norm_and_activation(outputs, True, "leaky-relu")
        return layers


class Pyramid(nn.Module):
    """Scales from the coarsest to the finest; each takes z at its size and what came before.

    Args:
        ratios: how many times smaller than z each scale is, the last one 1.
        enter: what each scale does to its part of z.
        join: what each scale but the coarsest does to its map and the enlarged coarser ones.
        upsample: how a coarser map is enlarged.
        fill: how z is brought to a scale's size.
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
        first = ratio // 2  # with ratios that are powers of 2, no two scales share a pixel
        return z[..., first::ratio, first::ratio]
