"""Small networks of every kind and option, and helpers of their tests."""

from __future__ import annotations

import pytest
import torch

from invprior.networks.conv_decoder import ConvDecoder
from invprior.networks.deep_decoder import DeepDecoder
from invprior.networks.resnet import ResNet
from invprior.networks.siren import Siren
from invprior.networks.skip import Skip
from invprior.networks.texture import Texture
from invprior.networks.unet import UNet

SMALL = {
    "skip": Skip(down=[6, 8], skip=2),
    "unet": UNet(channels=[8, 16, 32]),
    "resnet": ResNet(blocks=2, channels=16),
    "texture": Texture(ratios=[4, 2, 1]),
    "deep-decoder": DeepDecoder(channels=[32, 32, 32, 32]),
    "conv-decoder": ConvDecoder(channels=[16, 16, 16, 16]),
    "siren": Siren(width=48, hidden=2),
}

OPTIONS = [
    UNet(channels=[6]),
    UNet(channels=[6, 8], upsample="nearest", norm="instance", padding="reflect"),
    UNet(channels=[6, 8, 8], upsample="bilinear", norm="none", bias=False, sigmoid=False),
    UNet(channels=[6, 8, 10], concat_input=True),
    ResNet(blocks=0, channels=4, padding="zero"),
    ResNet(blocks=2, channels=4, activation="swish", residual=False),
    ResNet(blocks=1, channels=4, activation="relu", sigmoid=False),
    Texture(ratios=[1], channels=3),
    Texture(ratios=[6, 2, 1], channels=3, fill="noise", padding="reflect"),
    Texture(ratios=[2, 1], channels=3, upsample="bilinear", sigmoid=False),
    DeepDecoder(channels=[5]),
    DeepDecoder(channels=[8, 6, 5], upsample="nearest"),
    ConvDecoder(channels=[6, 5, 4], upsample="bilinear", padding="reflect"),
    ConvDecoder(channels=[6, 5], sigmoid=False),
    Siren(width=5, hidden=0, omega_0=10),
    Siren(width=6, hidden=1, sigmoid=False),
]


def label(network):
    """Name a case by its class and the options that are not the class's defaults."""
    cls = type(network)
    changed = {k: v for k, v in vars(network).items() if v != getattr(cls, k, None)}
    return cls.__name__ + "".join(f"-{k}={v}" for k, v in changed.items())


every = pytest.mark.parametrize("network", SMALL.values(), ids=SMALL.keys())
every_option = pytest.mark.parametrize("network", [*SMALL.values(), *OPTIONS], ids=label)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def count(module):
    """Return the number of weights."""
    return sum(p.numel() for p in module.parameters())


def z_for(network, height, width, *, channels=None):
    """Return a z that fits the network and an image of this size."""
    channels = channels or network.natural_channels or 3
    size = network.input_size(height, width)
    if network.natural_input == "grid":
        rows, columns = (torch.linspace(0, 1, n) for n in size)
        grid = torch.meshgrid(columns, rows, indexing="xy")
        return torch.stack(grid)[None]
    return torch.rand(1, channels, *size, generator=generator(1)) / 10


def crop(image, height, width):
    """Return the middle of an image."""
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]
