"""The presets of DIP: invprior's own, and the authors' for each task of their paper."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from invprior.networks.base import Network
from invprior.networks.resnet import ResNet
from invprior.networks.skip import Skip
from invprior.networks.unet import UNet

Input = Literal["auto", "uniform", "normal", "grid", "guide", "measurement"]
Companion = Literal["auto", "none"]
Precision = Literal["auto", "full", "bfloat16"]
PresetName = Literal[
    "default",
    "fast",
    "paper",
    "paper-denoise-50",
    "paper-superres-x4",
    "paper-superres-x8",
    "paper-inpaint-50",
    "paper-inpaint-98",
    "paper-inpaint-text",
    "paper-inpaint-vase",
    "paper-inpaint-library",
    "paper-inpaint-library-unet",
    "paper-inpaint-library-resnet",
    "paper-jpeg",
    "paper-flash",
    "paper-feature-inversion",
]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A complete set of DIP's options, with the meaning that `DIP` documents."""

    net: Network
    # The defaults down to `steps` are those of the paper for denoising.
    input: Input = "uniform"
    channels: int = 32
    input_scale: float = 0.1
    input_noise: float = 1 / 30
    weight_noise: float = 0.0
    members: int = 1
    average: float = 0.99
    lr: float = 0.01
    steps: int = 3000
    precision: Precision = "auto"
    back_projection: bool = True
    stops_early: bool = True
    refit: float = 0.15
    companion: Companion = "none"
    # Whether the networks see an initial estimate where an image without noise is enlarged.
    refines: bool = False

    def suiting(self, net: Network) -> Preset:
        """Return the preset with another network and that network's preferred input, noise and step size."""
        own = net.natural_input
        wanted: dict[str, Any] = {
            # "uniform" is also the default of a network without a preference, so it alone changes nothing.
            "input": None if own == "uniform" and net.natural_channels is None else own,
            "channels": net.natural_channels,
            "input_noise": net.natural_noise,
            "lr": net.natural_lr,
            # Measured on the presets' own networks.
            "refit": Preset.refit,
        }
        return replace(self, net=net, **{k: v for k, v in wanted.items() if v is not None})


def _authors(net: Network, *, steps: int, average: float = 0.0, **options: Any) -> Preset:
    """Make a preset of the authors' code: float32, the plain residual, fixed steps, and no average by default."""
    plain: dict[str, Any] = {"precision": "full", "back_projection": False, "stops_early": False}
    return replace(Preset(net=net, steps=steps, average=average, **plain), **options)


# Channels at each scale, from the finest.
_WIDE = (128,) * 5
_NARROW = (16, 32, 64, 128, 128)
_DENOISE = Skip(down=_WIDE, padding="reflect", upsample="bilinear")
_PAPER = _authors(_DENOISE, steps=3000, average=0.99)
_LIBRARY = Skip(
    down=(*_NARROW, 128),
    down_filter=5,
    skip=0,
    up_1x1=False,
    padding="reflect",
    upsample="nearest",
)
# Where the error at held-out measurements was lowest after k steps, a fit of all measurements was best after 1.2 to
# 2.8 k: 16 runs of denoising, blur, shake, downsampling and inpainting. On average 1.5 to 1.7 k was best, and 1.8 k
# cost 1.4 dB under a shake.
_REFIT = 0.6

PRESETS: dict[PresetName, Preset] = {
    # With a skip connection at full resolution, where the measurement comes in. Channels of (16, 32, 64, 128, 128)
    # without it, at twice the step size, had 0.2 to 0.6 dB less on 96 px crops, after twice the steps. Channels of
    # (32, 64, 64, 64) both ways have 0.15 dB more at the same step, and take 1.6 times as long.
    "default": Preset(
        # `Joint` folds nearest upsampling and zero padding into one cheap convolution.
        net=Skip(
            down=(24, 48, 64, 64),
            up=(24, 24, 48, 64),
            skip=(24, 48),
            padding="zero",
            upsample="nearest",
        ),
        input="auto",
        channels=8,
        input_noise=0.03,
        members=2,
        lr=0.005,
        # Only a limit, as invprior's own presets stop by themselves.
        steps=1500,
        refit=_REFIT,
        companion="auto",
    ),
    "fast": Preset(
        net=Skip(down=(32, 64, 64), skip=(32, 64), padding="zero", upsample="nearest"),
        input="auto",
        channels=8,
        input_noise=0.02,
        steps=200,
        refit=_REFIT,
        companion="auto",
        # After 200 steps 0.4 to 0.8 dB above a random input. After 1500 it is 0.2 to 0.3 dB above it on photographs,
        # and 0.5 dB below on butterfly, so "default" keeps a random input.
        refines=True,
    ),
    "paper": _PAPER,
    "paper-denoise-50": replace(_PAPER, input_noise=1 / 20),
    "paper-superres-x4": _authors(_DENOISE, steps=2000, input_noise=0.03),
    "paper-superres-x8": _authors(_DENOISE, steps=4000, input_noise=0.05),
    "paper-inpaint-50": _authors(_DENOISE, steps=11000, lr=0.001, input_noise=0.03),
    "paper-inpaint-98": _authors(
        Skip(down=_NARROW, skip=0, padding="reflect", upsample="bilinear", downsample="avg"),
        steps=1000,
        input_noise=0.0,
    ),
    "paper-inpaint-text": _authors(
        Skip(down=_WIDE, skip=128, padding="reflect", upsample="nearest"),
        steps=6001,
        input_noise=0.03,
    ),
    "paper-inpaint-vase": _authors(
        Skip(down=_WIDE, skip=0, padding="reflect", upsample="nearest"),
        input="grid",
        channels=2,
        steps=5001,
        input_noise=0.03,
    ),
    "paper-inpaint-library": _authors(
        _LIBRARY, channels=1, steps=3001, input_noise=0.0, weight_noise=1 / 50
    ),
    "paper-inpaint-library-unet": _authors(
        UNet(channels=(8, 16, 32, 64, 128, 128), norm="instance"),
        channels=1,
        lr=0.001,
        steps=3001,
        input_noise=0.0,
    ),
    "paper-inpaint-library-resnet": _authors(
        ResNet(), channels=1, lr=0.001, steps=3001, input_noise=0.0
    ),
    "paper-jpeg": _authors(
        Skip(
            down=(8, 16, 32, 64, 128),
            skip=(0, 0, 0, 4, 4),
            padding="reflect",
            upsample="bilinear",
        ),
        channels=3,
        steps=2400,
        average=0.99,
    ),
    "paper-flash": _authors(
        Skip(
            down=_WIDE,
            padding="reflect",
            upsample=("nearest", "nearest", "bilinear", "bilinear", "bilinear"),
        ),
        input="guide",
        channels=3,
        lr=0.1,
        steps=601,
        input_noise=0.0,
    ),
    "paper-feature-inversion": _authors(
        Skip(
            down=(*_NARROW, 128),
            down_filter=(7, 7, 5, 5, 3, 3),
            up_filter=(7, 7, 5, 5, 3, 3),
            padding="zero",
            upsample="nearest",
            downsample="avg",
        ),
        lr=0.001,
        steps=3100,
        input_noise=0.0,
    ),
}
