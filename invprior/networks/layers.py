"""Layers that the networks share. They do not use the global random state."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from annotated_types import Gt
from torch import Tensor, nn
from torch.nn import functional as F

from invprior.numerics.resampling import taps

Positive = Annotated[int, Gt(0)]
Activation = Literal["leaky-relu", "relu", "swish", "elu", "none"]
Padding = Literal["reflect", "zero"]
Upsampling = Literal["nearest", "bilinear"]
Downsampling = Literal["stride", "avg", "max", "lanczos2"]


def conv_layers(
    in_channels: int,
    out_channels: int,
    size: int,
    *,
    padding: Padding,
    bias: bool,
    downsample: Downsampling | None = None,
) -> list[nn.Module]:
    """Make a convolution that keeps H and W, or halves them by `downsample`.

    Its weights are not set; `initialise` draws them.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        size: side of the filter, odd.
        padding: values beyond the border.
        bias: whether the convolution has a bias.
        downsample: method that halves H and W, or None.
    """
    margin = size // 2
    reflect = padding == "reflect" and margin > 0
    # PyTorch would draw the weights from the global generator.
    conv = nn.utils.skip_init(
        nn.Conv2d,
        in_channels,
        out_channels,
        size,
        stride=2 if downsample == "stride" else 1,
        padding=0 if reflect else margin,
        bias=bias,
    )
    layers: list[nn.Module] = [Reflect(margin)] if reflect else []
    layers.append(conv)
    # A stride halves inside the convolution. The other methods convolve at full size first.
    if downsample == "avg":
        layers.append(nn.AvgPool2d(2))
    elif downsample == "max":
        layers.append(nn.MaxPool2d(2))
    elif downsample == "lanczos2":
        layers.append(Lanczos2())
    return layers


def norm_and_activation(channels: int, norm: bool, activation: Activation) -> list[nn.Module]:
    """Make what follows each convolution: batch norm, if wanted, and the nonlinearity."""
    layers: list[nn.Module] = [batch_norm(channels)] if norm else []
    if activation == "leaky-relu":
        # The slope of the authors' code; PyTorch's default is 0.01.
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    elif activation == "relu":
        layers.append(nn.ReLU(inplace=True))
    elif activation == "swish":
        # Not in place: the backward pass of SiLU needs its input.
        layers.append(nn.SiLU())
    elif activation == "elu":
        layers.append(nn.ELU())
    return layers


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Make a batch norm without running statistics, as the network of one image is always training."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of all convolutions as PyTorch does: U(-b, b) with b = fan_in^(-1/2).

    As in PyTorch, the fan-in of a transposed convolution is that of the convolution it transposes.

    Args:
        network: a module on the generator's device.
        generator: the only source of random numbers.
    """
    # Batch norm starts at ones and zeros in PyTorch, so only convolutions draw.
    # The order of the modules is part of a seed's result: a new layer changes the draws after it.
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            # PyTorch's kaiming_uniform_ with a = sqrt(5) has this bound too,
            # so one bound serves weights and biases.
            bound = 1 / math.sqrt(module.weight[0].numel())
            for parameter in module.parameters():
                parameter.uniform_(-bound, bound, generator=generator)


def finish(layers: list[nn.Module], *, sigmoid: bool, generator: torch.Generator) -> nn.Module:
    """Join layers into a network, with a sigmoid at the end if wanted, and draw its weights."""
    network = nn.Sequential(*layers, *([nn.Sigmoid()] if sigmoid else []))
    initialise(network, generator)
    return network


class Reflect(nn.Module):
    """Reflection padding; maps too small for it are padded with their border pixels."""

    def __init__(self, margin: int) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, x: Tensor) -> Tensor:
        """Pad (B, C, H, W) on all four sides."""
        # PyTorch's reflection needs maps larger than the margin.
        mode = "reflect" if min(x.shape[-2:]) > self.margin else "replicate"
        return F.pad(x, (self.margin,) * 4, mode=mode)


class Lanczos2(nn.Module):
    """Halve H and W with the Lanczos2 kernel of 8x8 taps, centred between the pixels.

    The authors' code trains these taps with the other weights. Here they are fixed.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Not persistent, as it is a constant and no weight.
        self.register_buffer("kernel", taps("lanczos2", 2).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Filter and decimate (B, C, H, W); the border is replicated."""
        channels = x.shape[1]
        # The kernel is separable: one pass along rows, one along columns.
        row = self.kernel.expand(channels, 1, 1, 8)
        # 8 taps at stride 2, with 3 pixels of padding, give exactly half of an even side.
        x = F.conv2d(F.pad(x, (3, 3, 3, 3), mode="replicate"), row, stride=(1, 2), groups=channels)
        return F.conv2d(x, row.mT, stride=(2, 1), groups=channels)
