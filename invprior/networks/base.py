"""What a network component is: a description that builds a fresh, seeded `nn.Module`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import nn

from invprior.registry.options import Plugin

Input = Literal["uniform", "normal", "grid"]


class Network(ABC, metaclass=Plugin):
    """An architecture with its options; a frozen, keyword-only dataclass."""

    plugin_group: ClassVar[str] = "networks"

    @abstractmethod
    def build(self, in_channels: int, out_channels: int, generator: torch.Generator) -> nn.Module:
        """Make a fresh network that maps z, (B, in_channels, h, w), to (B, out_channels, H, W).

        H and W are h and w unless the network says otherwise in `input_size`.

        Args:
            in_channels: channels of z.
            out_channels: channels of the image.
            generator: the source of the initial weights; never the global one.
        """

    @property
    def stride(self) -> int:
        """Height and width of z must be multiples of this."""
        return 1

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of z for an output that covers an image; callers crop its middle.

        Args:
            height: the image's, in pixels, at least 1.
            width: the image's, in pixels, at least 1.
        """
        return padded(height, self.stride), padded(width, self.stride)

    @property
    def natural_input(self) -> Input:
        """What z this network is made for; "grid" is the coordinates (x, y) in [0, 1]."""
        return "uniform"

    @property
    def natural_channels(self) -> int | None:
        """How many channels of z it is made for; None where any number will do."""
        return None

    @property
    def natural_noise(self) -> float | None:
        """Standard deviation of the noise on z that it bears; None where `dip`'s usual noise helps."""
        return None

    @property
    def natural_lr(self) -> float | None:
        """Adam's step size that suits it; None where any from 0.01 to 0.02 will do."""
        return None


def padded(length: int, stride: int) -> int:
    """Next multiple of the stride; at least two, so that the deepest maps have a variance."""
    return max(2, math.ceil(length / stride)) * stride
