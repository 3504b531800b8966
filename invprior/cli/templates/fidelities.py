"""A data fidelity in a package of its own."""

from __future__ import annotations

import math
from typing import Annotated

from annotated_types import Gt
from torch import Tensor
from torch.nn.functional import softplus

from invprior import Fidelity


class Mine(Fidelity):
    """Sum of log cosh(r / scale) over the residuals r: noise with a density of 1 / cosh, whose tails are heavy.

    Args:
        scale: width of the noise, in intensities of [0, 1]; estimated from y when absent.
    """

    def __init__(self, *, scale: Annotated[float, Gt(0)] | None = None) -> None:
        super().__init__()
        self.scale = scale

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute E of each image: a sum over its measurements, (B,)."""
        r = ((prediction - y) / (self.scale or 1.0)).flatten(1).abs()
        return (r + softplus(-2 * r) - math.log(2)).sum(1)

    def lipschitz(self) -> float:
        """An upper bound on the second derivative; leave it out where there is none."""
        return 1 / (self.scale or 1.0) ** 2

    @property
    def noise_level(self) -> float | None:
        """The noise's standard deviation; None while the scale is open."""
        return None if self.scale is None else self.scale * math.pi / 2

    def with_noise_level(self, sigma: float) -> Mine:
        """Set an open scale from an estimated standard deviation."""
        return self if self.scale is not None else Mine(scale=sigma * 2 / math.pi)
