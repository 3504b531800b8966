"""The base class of decoders, which map a small z to the image without a path down."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import MinLen
from torch import nn

from invprior.networks.base import Network
from invprior.networks.layers import Positive, Upsampling, conv_layers, finish


@dataclass(frozen=True, kw_only=True)
class Decoder(Network):
    """Layers that double the map, one that does not, and a 1x1 convolution to the image.

    Args:
        channels: output channels of each layer, the coarsest first. All layers but the last double
            the map, so z is 2^(values - 1) times smaller than the image. Shorten the list for
            images smaller than 2^values pixels.
        upsample: method that enlarges a map.
        sigmoid: whether a sigmoid limits the output to (0, 1).
    """

    channels: Annotated[tuple[Positive, ...], MinLen(1)]
    upsample: Upsampling
    sigmoid: bool = True

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of z, at least 2, as one pixel only enlarges to a constant."""
        factor = 2 ** (len(self.channels) - 1)
        return max(2, math.ceil(height / factor)), max(2, math.ceil(width / factor))

    @property
    def natural_channels(self) -> int:
        """The output channels of the first layer, with which every layer has the paper's width."""
        return self.channels[0]

    @property
    def natural_noise(self) -> float:
        """No noise. A pixel of z is a large part of the image, so noise on it blurs and does not help."""
        # Such noise cost deep-decoder 3 dB and conv-decoder 1 dB.
        return 0.0

    def build(self, in_channels: int, out_channels: int, generator: torch.Generator) -> nn.Module:
        """Make a fresh network on the CPU in float32, with weights from the generator."""
        layers: list[nn.Module] = []
        inputs = in_channels
        # The last layer works at the size of the image and does not enlarge.
        for index, outputs in enumerate(self.channels, start=1):
            layers += self._layer(inputs, outputs, enlarge=index < len(self.channels))
            inputs = outputs
        layers += conv_layers(inputs, out_channels, 1, padding="zero", bias=False)
        return finish(layers, sigmoid=self.sigmoid, generator=generator)

    @abstractmethod
    def _layer(self, inputs: int, outputs: int, *, enlarge: bool) -> list[nn.Module]:
        """Make one layer, which doubles height and width when `enlarge` is true."""

    def _enlarge(self, enlarge: bool) -> list[nn.Module]:
        return [nn.Upsample(scale_factor=2, mode=self.upsample)] if enlarge else []
