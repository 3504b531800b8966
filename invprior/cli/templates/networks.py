"""A network for Deep Image Prior with invprior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import nn
from torch.nn.utils import skip_init

from invprior import Network


@dataclass(frozen=True, kw_only=True)
class Mine(Network):
    """Two hidden layers of 3 x 3 convolutions.

    Args:
        channels: of the hidden layers.
    """

    channels: Annotated[int, Ge(1)] = 32

    def build(self, in_channels: int, out_channels: int, generator: torch.Generator) -> nn.Module:
        """Make a fresh network whose weights all come from the generator."""
        # skip_init: PyTorch would draw the initial weights from global random state
        network = nn.Sequential(
            skip_init(nn.Conv2d, in_channels, self.channels, 3, padding=1),
            nn.LeakyReLU(0.1),
            skip_init(nn.Conv2d, self.channels, self.channels, 3, padding=1),
            nn.LeakyReLU(0.1),
            skip_init(nn.Conv2d, self.channels, out_channels, 1),
            nn.Sigmoid(),
        )
        with torch.no_grad():
            for parameter in network.parameters():
                bound = parameter[0].numel() ** -0.5
                parameter.uniform_(-bound, bound, generator=generator)
        return network
