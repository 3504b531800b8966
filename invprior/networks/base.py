"""What a network component is: a description that builds a fresh, seeded `nn.Module`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import nn

from invprior.options import Plugin


class Network(ABC, metaclass=Plugin):
    """An architecture with its options; a frozen, keyword-only dataclass."""

    plugin_group: ClassVar[str] = "networks"

    @abstractmethod
    def build(self, in_channels: int, out_channels: int, generator: torch.Generator) -> nn.Module:
        """Make a fresh network that maps (B, in_channels, H, W) to (B, out_channels, H, W).

        Args:
            in_channels: channels of z.
            out_channels: channels of the picture.
            generator: the source of the initial weights; never the global one.
        """

    @property
    def stride(self) -> int:
        """H and W of the input must be multiples of this; callers pad to it."""
        return 1
