"""Total variation."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from invprior.numerics.tv_differences import JOINED, Kind, differences
from invprior.numerics.tv_prox import tv_prox
from invprior.problem.functionals import Penalty, Proximable


class TV(Penalty, Proximable):
    """Total variation: the sum over pixels of the norm of the differences to the next pixels.

    It favours flat regions with sharp edges; on fine texture and smooth shading, which it turns
    into steps, dip or nlm do better. The next pixels are those below and to the right, and there is
    no difference across the image's border.

    Args:
        kind: vectorial takes one Euclidean norm over both differences of all channels, so edges of
            colours fall together; isotropic takes one for each channel; anisotropic sums absolute
            differences, which favours edges along the axes. For grey images vectorial and
            isotropic are the same.
        gap: the prox stops when its energy is certified, by duality, to be at most this fraction
            above the least one.

    Source: Rudin, Osher and Fatemi 1992; Bresson and Chan 2008 (vectorial).
    """

    default_weight: float = 10.0

    def __init__(
        self, *, kind: Kind = "vectorial", gap: Annotated[float, Gt(0), Lt(1)] = 1e-4
    ) -> None:
        super().__init__()
        self.kind = kind
        self.gap = gap

    def value(self, x: Tensor) -> Tensor:
        """Compute TV of each image, (B,); autograd gives 0 where a norm is 0."""
        field = differences(x)
        joined = JOINED[self.kind]
        norms = torch.linalg.vector_norm(field, dim=joined) if joined else field.abs()
        return norms.flatten(1).sum(1)

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Return argmin_x tau TV(x) + 1/2 ||x - v||^2, each image to its own gap.

        Autograd does not pass through.

        Args:
            v: images, (B, C, H, W).
            tau: positive.
        """
        with torch.no_grad():
            return torch.stack([tv_prox(image, tau, self.kind, self.gap) for image in v])
