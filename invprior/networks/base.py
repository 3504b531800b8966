"""The base class of networks: a description that builds a fresh, seeded `nn.Module`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import nn

from invprior.registry.plugin import Plugin

Input = Literal["uniform", "normal", "grid"]


class Network(ABC, metaclass=Plugin):
    """An architecture and its options, as a frozen, keyword-only dataclass."""

    plugin_group: ClassVar[str] = "networks"

    @abstractmethod
    def build(self, in_channels: int, out_channels: int, generator: torch.Generator) -> nn.Module:
        """Make a fresh network that maps z, (B, in_channels, h, w), to (B, out_channels, H, W).

        H and W equal h and w unless the network overrides `input_size`.

        Args:
            in_channels: channels of z.
            out_channels: channels of the image.
            generator: source of the initial weights, never the global generator.
        """

    @property
    def stride(self) -> int:
        """The number of which the height and the width of z must be multiples."""
        return 1

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width of z for which the output covers an image.

        Callers crop the middle of the output.

        Args:
            height: height of the image in pixels, at least 1.
            width: width of the image in pixels, at least 1.
        """
        return padded(height, self.stride), padded(width, self.stride)

    @property
    def natural_input(self) -> Input:
        """The kind of z for which the network is made; "grid" means the coordinates (x, y) in [0, 1]."""
        return "uniform"

    @property
    def natural_channels(self) -> int | None:
        """The number of channels of z for which it is made; None when any number works."""
        return None

    @property
    def natural_noise(self) -> float | None:
        """The standard deviation of noise on z that it tolerates; None when `dip`'s default noise helps."""
        return None

    @property
    def natural_lr(self) -> float | None:
        """The step size of Adam that suits it; None when any value from 0.01 to 0.02 works."""
        return None


def padded(length: int, stride: int) -> int:
    """Return the next multiple of the stride, at least twice the stride.

    With twice the stride the deepest maps have two pixels a side, so batch norm has a variance.
    """
    return max(2, math.ceil(length / stride)) * stride
