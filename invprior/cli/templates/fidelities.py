"""A data fidelity for invprior."""

from __future__ import annotations

import math
from typing import Annotated

from annotated_types import Gt
from torch import Tensor
from torch.nn.functional import softplus

from invprior import Fidelity


class Mine(Fidelity):
    """Sum of log cosh(r / scale) over the residuals r: for noise with a density of 1 / cosh, which has heavy tails.

    Args:
        scale: width of the noise, in units of the data; estimated from y when absent.
    """

    def __init__(self, *, scale: Annotated[float, Gt(0)] | None = None) -> None:
        super().__init__()
        self.scale = scale

    def value(self, prediction: Tensor, y: Tensor) -> Tensor:
        """Compute E of each image: a sum over its measurements, (B,)."""
        # a run sets an open scale by `with_noise_level` before it asks for a value
        r = ((prediction - y) / (self.scale or 1.0)).flatten(1).abs()
        # log cosh(r) in a form that does not overflow; a sum, not a mean, as a log-likelihood is
        return (r + softplus(-2 * r) - math.log(2)).sum(1)

    def lipschitz(self) -> float:
        """Return an upper bound on the second derivative; leave the method out if there is none."""
        return 1 / (self.scale or 1.0) ** 2

    @property
    def noise_level(self) -> float | None:
        """Standard deviation of the noise; None while the scale is open."""
        return None if self.scale is None else self.scale * math.pi / 2

    def with_noise_level(self, sigma: float) -> Mine:
        """Set an open scale from an estimated standard deviation."""
        return self if self.scale is not None else Mine(scale=sigma * 2 / math.pi)
