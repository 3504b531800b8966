"""A coordinate network with sines, which represents the image as a smooth function of position."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn import functional as F

from invprior.networks.base import Input, Network
from invprior.networks.layers import Positive


@dataclass(frozen=True, kw_only=True)
class Siren(Network):
    """Each pixel's value is a function of its coordinates, by layers sin(omega_0 (W h + b)).

    No convolution connects neighbours. Smoothness comes from the sines, and `omega_0` determines
    how much detail they begin with. The network suits smooth images and irregular sampling. It fits
    noise as readily as detail, so small or noisy images need a smaller omega_0 or a short run.

    Weights are stored in units of the hidden layers' initial bound, sqrt(6 / width) / omega_0. Adam
    at 0.02, which suits the convolutional networks, then changes them as the paper's 1e-4 does.

    Source: Sitzmann et al., "Implicit neural representations with periodic activation functions",
    NeurIPS 2020. The initial weights follow its section 3.2 and supplement 1.

    Args:
        width: channels of every hidden layer.
        hidden: number of hidden layers between the first and the last.
        omega_0: scale of the angles; larger for images with finer detail.
        sigmoid: whether a sigmoid limits the output to (0, 1).
    """

    width: Positive = 256
    hidden: Annotated[int, Ge(0)] = 3
    omega_0: Annotated[float, Gt(0)] = 30.0
    sigmoid: bool = True

    @property
    def natural_input(self) -> Input:
        """Coordinates, as each pixel is a function of its own."""
        return "grid"

    @property
    def natural_channels(self) -> int:
        """Two, x and y."""
        return 2

    @property
    def natural_noise(self) -> float:
        """No noise, as it would displace the pixels."""
        return 0.0

    def build(self, in_channels: int, out_channels: int, generator: torch.Generator) -> nn.Module:
        """Make a fresh network on the CPU in float32, with weights from the generator."""
        bound = math.sqrt(6 / self.width) / self.omega_0
        # The paper's section 3.2: the first layer has the bound 1 / inputs, all others the same bound.
        layers = [PixelLayer(in_channels, self.width, bound=1 / in_channels, unit=bound)]
        for channels in (*[self.width] * self.hidden, out_channels):
            layers.append(PixelLayer(self.width, channels, bound=bound, unit=bound))
        for layer in layers:
            layer.draw(generator)
        return Sines(layers, omega_0=self.omega_0, sigmoid=self.sigmoid)


class Sines(nn.Module):
    """Pixel-wise layers with sines between them.

    Args:
        layers: the first takes the coordinates, the last gives the image.
        omega_0: scale of the angles.
        sigmoid: whether a sigmoid limits the output to (0, 1).
    """

    def __init__(self, layers: list[PixelLayer], *, omega_0: float, sigmoid: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.omega_0, self.sigmoid = omega_0, sigmoid

    def forward(self, z: Tensor) -> Tensor:
        """Map coordinates in [0, 1], (B, in, H, W), to the image, (B, out, H, W)."""
        # Coordinates in bfloat16 would merge neighbouring pixels, so autocast is off here.
        with torch.autocast(z.device.type, enabled=False):
            *before, last = self.layers
            x = 2 * z - 1  # the paper's coordinates are in [-1, 1]
            for layer in before:
                x = torch.sin(layer(x, self.omega_0))
            x = last(x)
            return torch.sigmoid(x) if self.sigmoid else x


class PixelLayer(nn.Module):
    """The same affine map at every pixel, W h + b.

    Args:
        inputs: channels of the input.
        outputs: channels of the output.
        bound: the initial weights are uniform in [-bound, bound].
        unit: the weight that a stored value of 1 stands for.
    """

    def __init__(self, inputs: int, outputs: int, *, bound: float, unit: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 1, 1))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.bound, self.unit = bound, unit

    @torch.no_grad()
    def draw(self, generator: torch.Generator) -> None:
        """Draw the weights, and the biases as PyTorch does, in [-b, b] with b = inputs^(-1/2)."""
        bias = 1 / math.sqrt(self.weight.shape[1])
        for parameter, bound in ((self.weight, self.bound), (self.bias, bias)):
            bound /= self.unit
            parameter.uniform_(-bound, bound, generator=generator)

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        """Map (B, inputs, H, W) to scale * (W x + b), (B, outputs, H, W)."""
        # Scaling the weights is cheaper than scaling the map.
        scale *= self.unit
        return F.conv2d(x, scale * self.weight, scale * self.bias)
