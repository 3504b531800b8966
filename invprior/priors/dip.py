"""Deep Image Prior: the picture is the output of a network fitted to this one measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn

from invprior.errors import OptionError
from invprior.functionals import Reparameterization
from invprior.networks.base import Network
from invprior.networks.skip import Skip

Input = Literal["uniform", "normal", "grid"]
Precision = Literal["auto", "full", "bfloat16"]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A complete set of DIP's options."""

    net: Network
    input: Input = "uniform"
    channels: int = 32
    input_scale: float = 0.1
    input_noise: float = 1 / 30
    average: float = 0.99
    lr: float = 0.01
    steps: int = 3000
    precision: Precision = "auto"
    back_projection: bool = True


PRESETS = {
    "default": Preset(net=Skip(up=(16, 16, 32, 64, 128)), channels=8, lr=0.02, steps=1400),
    "paper": Preset(
        net=Skip(down=(128,) * 5, padding="reflect", upsample="bilinear"),
        precision="full",
        back_projection=False,
    ),
}


class DIP(Reparameterization):
    """Deep Image Prior: x = f_theta(z), a convolutional network of a fixed random input z.

    The network fits the picture's structure long before the noise, so a run must stop in time:
    `steps` suits moderate noise; cleaner measurements gain from more, stronger noise wants fewer.
    Use another prior when seconds matter.

    Source: Ulyanov, Vedaldi and Lempitsky, "Deep Image Prior", IJCV 2020. The preset `paper` is
    their denoising setting, and fits the plain residual where `default` lets Adam back-project it;
    an iteration of `default` takes about a twentieth of its time on a CPU.

    Args:
        preset: sets every option that is not given.
        net: the network; skip(up=[16,16,32,64,128]) by default.
        input: what z is: uniform noise in [0, input_scale], normal noise of standard deviation
            input_scale, or the grid of coordinates in [0, 1], which has 2 channels; uniform by
            default.
        channels: channels of z; 8 by default, 32 in `paper`.
        input_scale: size of z, 0.1 by default; a grid has none.
        input_noise: standard deviation of the noise that is added to z anew at every iteration;
            1/30 by default.
        average: decay of the running average of the output, which is the result; 0 for none, 0.99
            by default.
        lr: Adam's step size; 0.02 by default, 0.01 in `paper`.
        steps: iterations when no stopping rule is given; 1400 by default, 3000 in `paper`.
        precision: of the network's layers on float32 pictures: bfloat16 is about 1.3 times faster
            where the processor computes in it, and fits as quickly per iteration; auto uses it
            there and only there, by default; `paper` is full. Weights, energy and result stay float32.
    """

    def __init__(
        self,
        *,
        preset: Literal["default", "paper"] = "default",
        net: Network | None = None,
        input: Input | None = None,
        channels: Annotated[int, Gt(0)] | None = None,
        input_scale: Annotated[float, Gt(0)] | None = None,
        input_noise: Annotated[float, Ge(0)] | None = None,
        average: Annotated[float, Ge(0), Lt(1)] | None = None,
        lr: Annotated[float, Gt(0)] | None = None,
        steps: Annotated[int, Gt(0)] | None = None,
        precision: Precision | None = None,
    ) -> None:
        super().__init__()
        default = PRESETS[preset]
        self.preset = preset
        self.back_projection = default.back_projection
        self.net = chosen(net, default.net)
        self.input = chosen(input, default.input)
        self.channels = chosen(channels, 2 if self.input == "grid" else default.channels)
        self.input_scale = chosen(input_scale, default.input_scale)
        self.input_noise = chosen(input_noise, default.input_noise)
        self.average = chosen(average, default.average)
        self.lr = self.learning_rate = chosen(lr, default.lr)
        self.steps = chosen(steps, default.steps)
        self.precision = chosen(precision, default.precision)
        if self.input == "grid" and self.channels != 2:
            raise OptionError(
                'The channels of dip must be 2 when input is "grid"; '
                f"got {self.channels}. Leave channels out."
            )

    def build(self, x0: Tensor, generator: torch.Generator) -> Generated:
        """Make a fresh network and its input; they differ at each call, as the generator moves on.

        Args:
            x0: gives the output's shape, dtype and device; its values are not used.
            generator: source of the weights, of z and of the noise on it; on the CPU.

        Returns:
            A module whose `forward()` returns (1, C, H, W).
        """
        size = tuple(padded(n, self.net.stride) for n in x0.shape[-2:])
        network = self.net.build(self.channels, x0.shape[1], generator)
        z = self._input(size[0], size[1], generator)
        noise = torch.Generator(x0.device)
        noise.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        low = self.precision == "bfloat16"
        if self.precision == "auto":
            low = computes_in_bfloat16(x0.device)
        picture = Generated(
            network,
            z,
            noise=self.input_noise,
            size=(x0.shape[-2], x0.shape[-1]),
            low_precision=low,
            generator=noise,
        )
        picture.to(x0)
        picture.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return picture

    def _input(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Draw z, (1, channels, height, width)."""
        if self.input == "grid":
            y = torch.linspace(0, 1, height)[:, None].expand(height, width)
            x = torch.linspace(0, 1, width).expand(height, width)
            return torch.stack((x, y))[None]
        draw = torch.rand if self.input == "uniform" else torch.randn
        return draw(1, self.channels, height, width, generator=generator) * self.input_scale


class Generated(nn.Module):
    """The variable of DIP: a network, its input, and the noise on the input while training.

    Args:
        network: maps z to a picture of z's height and width.
        z: the input, (1, channels, height, width).
        noise: standard deviation of what is added to z at every call in training mode.
        size: height and width of the output, cut from the middle of the network's.
        low_precision: whether a float32 network computes in bfloat16.
        generator: source of the noise, on the device where the module will be.
    """

    z: Tensor
    noisy: Tensor

    def __init__(
        self,
        network: nn.Module,
        z: Tensor,
        *,
        noise: float,
        size: tuple[int, int],
        low_precision: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.network, self.noise, self.size = network, noise, size
        self.low_precision, self.generator = low_precision, generator
        self.register_buffer("z", z)
        channels, *sides = z.shape[1:]
        self.register_buffer("noisy", z.new_empty(*sides, channels), persistent=False)

    def forward(self) -> Tensor:
        """Return the picture, (1, C, H, W)."""
        z = self.z
        if self.training and self.noise > 0:
            # Drawn as (H, W, channels): in another order of memory torch draws eight times slower.
            self.noisy.normal_(0, self.noise, generator=self.generator)
            z = self.noisy.movedim(-1, 0)[None].add_(z)
        with torch.autocast(z.device.type, torch.bfloat16, enabled=self.low_precision):
            out: Tensor = self.network(z)
        (height, width), (tall, wide) = self.size, out.shape[-2:]
        top, left = (tall - height) // 2, (wide - width) // 2
        return out[..., top : top + height, left : left + width].to(z.dtype).contiguous()


def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16; emulated, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # missing in older torch
    return device.type == "cpu" and any(getattr(torch.cpu, t, bool)() for t in tests)


def padded(length: int, stride: int) -> int:
    """Next multiple of the stride; at least two, so that the deepest maps have a variance."""
    return max(2, math.ceil(length / stride)) * stride


def chosen(given: T | None, preset: T) -> T:
    """An option that was given beats the preset's."""
    return preset if given is None else given
