"""Total variation as a denoiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt
from torch import Tensor

from invprior.denoisers.base import Denoiser
from invprior.priors._tv_differences import Kind
from invprior.priors.tv import TV


@dataclass(frozen=True, kw_only=True)
class TVDenoiser(Denoiser):
    """Total variation denoising: the prox of tv at tau = weight * sigma^2.

    Args:
        kind: which norm of the differences, as for the prior tv.
        weight: of tv against the noise's negative log-likelihood.
    """

    kind: Kind = "vectorial"
    weight: Annotated[float, Gt(0)] = TV.default_weight

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """Remove noise of standard deviation sigma from pictures (B, C, H, W)."""
        return TV(kind=self.kind).prox(x, self.weight * sigma**2)
