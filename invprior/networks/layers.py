"""The layers that the networks share: the authors' options, no use of the global random state."""

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
    """Make a convolution that keeps H and W, or halves them when `downsample` says how.

    Its weights are left unset; `initialise` draws them.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        size: side of the filter, odd.
        padding: what stands beyond the border.
        bias: whether the convolution has one.
        downsample: how H and W are halved, or None.
    """
    margin = size // 2
    reflect = padding == "reflect" and margin > 0
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
    if downsample == "avg":
        layers.append(nn.AvgPool2d(2))
    elif downsample == "max":
        layers.append(nn.MaxPool2d(2))
    elif downsample == "lanczos2":
        layers.append(Lanczos2())
    return layers


def norm_and_activation(channels: int, norm: bool, activation: Activation) -> list[nn.Module]:
    """What follows each convolution; the normalisation always uses the image's own statistics."""
    layers: list[nn.Module] = [batch_norm(channels)] if norm else []
    if activation == "leaky-relu":
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    elif activation == "relu":
        layers.append(nn.ReLU(inplace=True))
    elif activation == "swish":
        layers.append(nn.SiLU())
    elif activation == "elu":
        layers.append(nn.ELU())
    return layers


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm without running statistics: a network of one image is always in training."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all convolutions' weights as PyTorch does by default, U(-b, b) with b = fan_in^(-1/2).

    A transposed convolution's fan-in is, as in PyTorch, that of the convolution it transposes.

    Args:
        network: a module on the generator's device.
        generator: the only source of random numbers.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            bound = 1 / math.sqrt(module.weight[0].numel())
            for parameter in module.parameters():
                parameter.uniform_(-bound, bound, generator=generator)


class Reflect(nn.Module):
    """Reflection padding; maps too small to be reflected are continued by their border instead."""

    def __init__(self, margin: int) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, x: Tensor) -> Tensor:
        """Pad (B, C, H, W) on all four sides."""
        mode = "reflect" if min(x.shape[-2:]) > self.margin else "replicate"
        return F.pad(x, (self.margin,) * 4, mode=mode)


class Lanczos2(nn.Module):
    """Halve H and W with the Lanczos2 kernel of 8x8 taps, centred between the pixels.

    The authors' code trains these taps with the rest; here they are fixed.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", taps("lanczos2", 2).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Filter and decimate (B, C, H, W); the border is replicated."""
        channels = x.shape[1]
        row = self.kernel.expand(channels, 1, 1, 8)
        x = F.conv2d(F.pad(x, (3, 3, 3, 3), mode="replicate"), row, stride=(1, 2), groups=channels)
        return F.conv2d(x, row.mT, stride=(2, 1), groups=channels)
