"""The skip network of Deep Image Prior, an hourglass with a narrow skip connection at every scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias, TypeVar

import torch
from annotated_types import Ge, MinLen
from torch import Tensor, nn

from invprior.errors import OptionError
from invprior.networks.base import Network
from invprior.networks.joint import Joint
from invprior.networks.layers import (
    Activation,
    Downsampling,
    Padding,
    Positive,
    Upsampling,
    conv_layers,
    finish,
    norm_and_activation,
)

T = TypeVar("T")
PerScale: TypeAlias = T | tuple[T, ...]
Natural = Annotated[int, Ge(0)]


@dataclass(frozen=True, kw_only=True)
class Skip(Network):
    """The authors' hourglass with skip connections.

    Lists have one value per scale, the finest first. A shorter list continues with its last value,
    and a single value serves all scales. The default suits two CPU cores. The paper's denoising
    network is `skip(down=[128, 128, 128, 128, 128], padding="reflect", upsample="bilinear")`.

    Source: Ulyanov, Vedaldi and Lempitsky, "Deep Image Prior", IJCV 2020, and its code.

    Args:
        down: channels on the way down; the number of values is the number of scales.
        up: channels on the way up; as down when absent.
        skip: channels of the skip connections, 0 for none.
        down_filter: side of the filters on the way down, odd.
        up_filter: side of the filters on the way up, odd.
        skip_filter: side of the skip connections' filters, odd.
        padding: values beyond the border.
        upsample: method that enlarges the scale below. When absent, bilinear at the finest scale,
            where the method is visible, and the cheaper nearest below.
        downsample: method that halves a map: the convolution's stride, or a filter after it.
        up_1x1: whether a 1x1 convolution follows each filter on the way up.
        activation: the nonlinearity; leaky-relu has slope 0.2.
        norm: whether batch norm follows each convolution.
        bias: whether the convolutions have a bias.
        sigmoid: whether a sigmoid limits the output to (0, 1).
    """

    down: Annotated[tuple[Positive, ...], MinLen(1)] = (16, 32, 64, 128, 128)
    up: PerScale[Positive] | None = None
    skip: PerScale[Natural] = 4
    down_filter: PerScale[Positive] = 3
    up_filter: PerScale[Positive] = 3
    skip_filter: Positive = 1
    padding: Padding = "zero"
    upsample: PerScale[Upsampling] | None = None
    downsample: PerScale[Downsampling] = "stride"
    up_1x1: bool = True
    activation: Activation = "leaky-relu"
    norm: bool = True
    bias: bool = True
    sigmoid: bool = True

    def __post_init__(self) -> None:
        # Annotations cover single values. Lengths and odd sides are checked here.
        for option in ("up", "skip", "down_filter", "up_filter", "upsample", "downsample"):
            value = getattr(self, option)
            if isinstance(value, tuple) and not 1 <= len(value) <= self.depth:
                raise OptionError(
                    f"The {option} of skip must have 1 to {self.depth} values, at most one per "
                    f"scale of down; got {len(value)}. Shorten it, or lengthen down."
                )
        for option in ("down_filter", "up_filter", "skip_filter"):
            value = getattr(self, option)
            even = [v for v in (value if isinstance(value, tuple) else (value,)) if v % 2 == 0]
            if even:
                raise OptionError(
                    f"The {option} of skip must be odd; got {even[0]}. Use {even[0] + 1}."
                )

    @property
    def depth(self) -> int:
        """Number of scales."""
        return len(self.down)

    @property
    def stride(self) -> int:
        """2 to the power of the depth, as every scale halves the map."""
        return int(2**self.depth)

    def build(self, in_channels: int, out_channels: int, generator: torch.Generator) -> nn.Module:
        """Make a fresh network on the CPU in float32, with weights from the generator."""
        top = self._scale(0, in_channels)
        last = conv_layers(top.channels, out_channels, 1, padding=self.padding, bias=self.bias)
        return finish([top, *last], sigmoid=self.sigmoid, generator=generator)

    def _scale(self, level: int, channels: int) -> Scale:
        """Make one scale and all scales below it."""

        def block(
            inputs: int, outputs: int, size: int, downsample: Downsampling | None = None
        ) -> list[nn.Module]:
            conv = conv_layers(
                inputs,
                outputs,
                size,
                padding=self.padding,
                bias=self.bias,
                downsample=downsample,
            )
            return [*conv, *norm_and_activation(outputs, self.norm, self.activation)]

        # The recursion ends at the last value of `down`; the other options only follow its depth.
        down, up = self.down[level], at(self.down if self.up is None else self.up, level)
        skip, size = at(self.skip, level), at(self.down_filter, level)
        way_down = block(channels, down, size, at(self.downsample, level)) + block(down, down, size)
        below = down
        if level + 1 < self.depth:
            inner = self._scale(level + 1, down)
            way_down.append(inner)
            below = inner.channels
        modes: PerScale[Upsampling] = self.upsample or ("bilinear", "nearest")
        # `Joint` normalises before this convolution, and `way_up` normalises after it.
        joint = conv_layers(
            skip + below, up, at(self.up_filter, level), padding=self.padding, bias=self.bias
        )
        way_up = norm_and_activation(up, self.norm, self.activation)
        if self.up_1x1:
            way_up += block(up, up, 1)
        return Scale(
            down=nn.Sequential(*way_down),
            bridge=nn.Sequential(*block(channels, skip, self.skip_filter)) if skip else None,
            joint=Joint(skip + below, joint, upsample=at(modes, level), norm=self.norm),
            up=nn.Sequential(*way_up),
            channels=up,
        )


def at(values: PerScale[T], level: int) -> T:
    """Return the value of an option at one scale."""
    return values[min(level, len(values) - 1)] if isinstance(values, tuple) else values


class Scale(nn.Module):
    """One scale: the way down, the scales below, the way up, and the skip connection.

    Attributes:
        channels: channels of the output.
    """

    def __init__(
        self,
        *,
        down: nn.Module,
        bridge: nn.Module | None,
        joint: nn.Module,
        up: nn.Module,
        channels: int,
    ) -> None:
        super().__init__()
        self.down, self.bridge, self.joint, self.up = down, bridge, joint, up
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, channels, H, W); H and W even."""
        bridge = None if self.bridge is None else self.bridge(x)
        out: Tensor = self.up(self.joint(bridge, self.down(x)))
        return out
