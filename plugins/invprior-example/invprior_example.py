"""A prior in its own package."""

from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor

from invprior import Penalty


class Charbonnier(Penalty):
    """Sum of sqrt(d^2 + width^2) - width over the differences d between neighbours: TV, but smooth.

    Args:
        width: differences well below it are penalised as squares, well above it as absolute values.
    """

    default_weight: float = 10.0
    offset_invariant = True
    degree = 0.0

    def __init__(self, *, width: Annotated[float, Gt(0)] = 0.01) -> None:
        super().__init__()
        self.width = width

    def value(self, x: Tensor) -> Tensor:
        """Compute R of each image, (B,)."""
        d = torch.cat((x.diff(dim=-2).flatten(1), x.diff(dim=-1).flatten(1)), dim=1)
        return ((d**2 + self.width**2).sqrt() - self.width).sum(1)
