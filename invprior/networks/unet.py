"""The U-Net of Deep Image Prior, with pooling on the way down and wide skip connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import MinLen
from torch import Tensor, nn
from torch.nn import functional as F

from invprior.errors import OptionError
from invprior.networks.base import Network
from invprior.networks.layers import Padding, Positive, batch_norm, conv_layers, finish

Norm = Literal["batch", "instance", "none"]


@dataclass(frozen=True, kw_only=True)
class UNet(Network):
    """The authors' U-Net.

    It serves as a comparison. Its wide skip connections fill large holes worse than `skip` without
    skip connections, as the paper reports. The authors' feature_scale s gives
    channels=[64/s,128/s,256/s,512/s,1024/s], and more_layers repeats the last value. Their inpainting
    of `library` is `unet(channels=[8,16,32,64,128,128],norm=instance)`.

    Source: Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015, as in the code of Ulyanov,
    Vedaldi and Lempitsky, "Deep Image Prior", IJCV 2020.

    Args:
        channels: channels of each scale, the finest first.
        upsample: method that enlarges a map. deconv is a transposed 4x4 convolution; the others
            interpolate and apply a 3x3 convolution.
        padding: values beyond the border.
        norm: normalisation of the maps on the way down; instance has no weights. There is none on
            the way up.
        concat_input: whether each scale also sees z, averaged to its size. The channels of z
            replace channels of the scale.
        bias: whether the convolutions have a bias; transposed ones always have.
        sigmoid: whether a sigmoid limits the output to (0, 1).
    """

    channels: Annotated[tuple[Positive, ...], MinLen(1)] = (16, 32, 64, 128, 256)
    upsample: Literal["deconv", "nearest", "bilinear"] = "deconv"
    padding: Padding = "zero"
    norm: Norm = "batch"
    concat_input: bool = False
    bias: bool = True
    sigmoid: bool = True

    @property
    def stride(self) -> int:
        """2 to the number of halvings, which is one less than the number of scales."""
        return int(2 ** (len(self.channels) - 1))

    @property
    def natural_lr(self) -> float:
        """The authors' step size, 0.001; at 0.01 the output collapses to one colour."""
        # On a 64 x 64 crop of camera, noise 0.1: 23.4 dB after 300 steps, and 4.9 dB at 0.02.
        return 0.001

    def build(self, in_channels: int, out_channels: int, generator: torch.Generator) -> nn.Module:
        """Make a fresh network on the CPU in float32, with weights from the generator.

        Raises:
            OptionError: z has at least as many channels as a scale that should contain it.
        """
        taken = in_channels if self.concat_input else 0
        if min(self.channels) <= taken:
            raise OptionError(
                f"The channels of unet must be more than the {taken} of z when concat_input is on; "
                f"got {min(self.channels)}. Use a z of fewer channels, or wider scales."
            )
        inputs = (in_channels, *self.channels)
        hourglass = Hourglass(
            # z is appended to each map, so its channels are left out here and the width is kept.
            down=[
                self._pair(before, channels - taken, self.norm)
                # Not strict: the coarsest scale feeds no other one, so `inputs` is longer by one.
                for before, channels in zip(inputs, self.channels, strict=False)
            ],
            enlarge=[
                self._enlarge(below, channels)
                for channels, below in zip(self.channels, self.channels[1:], strict=False)
            ],
            merge=[self._pair(2 * channels, channels, "none") for channels in self.channels[:-1]],
            concat_input=self.concat_input,
        )
        last = conv_layers(self.channels[0], out_channels, 1, padding="zero", bias=self.bias)
        return finish([hourglass, *last], sigmoid=self.sigmoid, generator=generator)

    def _pair(self, inputs: int, outputs: int, norm: Norm) -> nn.Module:
        """Make two 3x3 convolutions, each normalised and rectified."""
        layers: list[nn.Module] = []
        for before in (inputs, outputs):
            layers += conv_layers(before, outputs, 3, padding=self.padding, bias=self.bias)
            if norm == "batch":
                layers.append(batch_norm(outputs))
            elif norm == "instance":
                layers.append(nn.InstanceNorm2d(outputs))
            layers.append(nn.ReLU(inplace=True))
        return nn.Sequential(*layers)

    def _enlarge(self, inputs: int, outputs: int) -> nn.Module:
        """Make the layers that double the height and the width of a map."""
        if self.upsample == "deconv":
            options = {"kernel_size": 4, "stride": 2, "padding": 1}
            # As in `conv_layers`, PyTorch must not draw from the global generator.
            up: nn.Module = nn.utils.skip_init(nn.ConvTranspose2d, inputs, outputs, **options)
            return up
        conv = conv_layers(inputs, outputs, 3, padding=self.padding, bias=self.bias)
        return nn.Sequential(nn.Upsample(scale_factor=2, mode=self.upsample), *conv)


class Hourglass(nn.Module):
    """Scales on the way down, joined on the way up. All lists begin with the finest scale.

    Args:
        down: layers that each scale applies to the pooled map of the scale above.
        enlarge: layers that enlarge the scale below to each scale's size.
        merge: layers that each scale applies to the enlarged map and its own.
        concat_input: whether z, averaged, is appended to each scale's map.
    """

    def __init__(
        self,
        *,
        down: list[nn.Module],
        enlarge: list[nn.Module],
        merge: list[nn.Module],
        concat_input: bool,
    ) -> None:
        super().__init__()
        self.down = nn.ModuleList(down)
        self.enlarge, self.merge = nn.ModuleList(enlarge), nn.ModuleList(merge)
        self.concat_input = concat_input

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, channels of the finest scale, H, W)."""
        maps: list[Tensor] = []
        x = z
        for scale in self.down:
            if maps:
                x = F.max_pool2d(x, 2)
                z = F.avg_pool2d(z, 2) if self.concat_input else z
            x = scale(x)
            if self.concat_input:
                x = torch.cat((x, z), 1)
            maps.append(x)
        x = maps.pop()  # the coarsest map has nothing below to merge
        for level in reversed(range(len(maps))):
            x = self.merge[level](torch.cat((self.enlarge[level](x), maps[level]), 1))
        return x
