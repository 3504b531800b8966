"""The residual network of Deep Image Prior, with every layer at full resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from invprior.networks.base import Network
from invprior.networks.layers import (
    Activation,
    Padding,
    Positive,
    batch_norm,
    conv_layers,
    finish,
    norm_and_activation,
)


@dataclass(frozen=True, kw_only=True)
class ResNet(Network):
    """The authors' residual network, without downsampling.

    A pixel depends on pixels at most 2 * blocks + 3 away, so the network cannot fill large holes.
    It serves to show the effect of depth without scales.

    Source: He et al., "Deep residual learning", CVPR 2016, as in the code of Ulyanov, Vedaldi
    and Lempitsky, "Deep Image Prior", IJCV 2020.

    Args:
        blocks: number of blocks, each of two 3x3 convolutions.
        channels: channels of every map.
        padding: values beyond the border at the first and the last convolution. The convolutions
            between use zeros, as in the authors' code.
        activation: the nonlinearity; leaky-relu has slope 0.2.
        residual: whether the output of a block is added to its input.
        sigmoid: whether a sigmoid limits the output to (0, 1).
    """

    blocks: Annotated[int, Ge(0)] = 8
    channels: Positive = 32
    padding: Padding = "reflect"
    activation: Activation = "leaky-relu"
    residual: bool = True
    sigmoid: bool = True

    @property
    def natural_lr(self) -> float:
        """The authors' step size, 0.001."""
        # At a step size of 0.02, which then was dip's default, it lost 4 dB.
        return 0.001

    def build(self, in_channels: int, out_channels: int, generator: torch.Generator) -> nn.Module:
        """Make a fresh network on the CPU in float32, with weights from the generator."""
        # Biases, normalisation and padding follow the authors' module, and so does the weight count.
        width = self.channels
        layers = conv_layers(in_channels, width, 3, padding=self.padding, bias=True)
        layers += norm_and_activation(width, False, self.activation)
        layers += [self._block() for _ in range(self.blocks)]
        layers += conv_layers(width, width, 3, padding="zero", bias=True)
        layers.append(batch_norm(width))
        layers += conv_layers(width, out_channels, 3, padding=self.padding, bias=True)
        return finish(layers, sigmoid=self.sigmoid, generator=generator)

    def _block(self) -> nn.Module:
        width = self.channels
        layers = conv_layers(width, width, 3, padding="zero", bias=False)
        layers += norm_and_activation(width, True, self.activation)
        layers += conv_layers(width, width, 3, padding="zero", bias=False)
        layers.append(batch_norm(width))
        block = nn.Sequential(*layers)
        return Residual(block) if self.residual else block


class Residual(nn.Module):
    """Layers whose output is added to their input."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        out: Tensor = self.layers(x)
        return x + out
