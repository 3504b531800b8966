"""Total variation."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.numerics.tv_differences import JOINED, Kind, differences
from invprior.numerics.tv_prox import GAP, tv_prox
from invprior.problem.functionals import Penalty, Proximable


class TV(Penalty, Proximable):
    """Total variation: the sum over pixels of the norm of the differences to the next pixels.

    It favours flat regions with sharp edges. It turns smooth shading into steps and removes fine
    texture; dip and nlm are better there. The next pixels are those below and to the right. There is
    no difference across the image's border.

    Args:
        kind: vectorial takes one Euclidean norm over both differences of all channels, so the edges
            of all channels coincide. isotropic takes one norm per channel. anisotropic sums
            absolute differences, which favours edges along the axes. For grey images vectorial and
            isotropic are the same. Of complex images, the norms are those of the moduli of the
            differences, so that R does not depend on a constant phase.
        gap: the prox stops when duality certifies that its energy is at most this fraction above
            the minimum.

    Source: Rudin, Osher and Fatemi 1992; Bresson and Chan 2008 (vectorial).
    """

    takes_complex = True
    default_weight: float = 10.0
    offset_invariant = True
    degree = 1.0

    def __init__(
        self, *, kind: Kind = "vectorial", gap: Annotated[float, Gt(0), Lt(1)] = GAP
    ) -> None:
        super().__init__()
        self.kind = kind
        self.gap = gap

    def value(self, x: Tensor) -> Tensor:
        """Return TV of each image, (B,); autograd gives 0 where a norm is 0."""
        field = differences(x)
        joined = JOINED[self.kind]
        # vector_norm has the gradient 0 at 0, where the root of a sum of squares has NaN.
        norms = torch.linalg.vector_norm(field, dim=joined) if joined else field.abs()
        return norms.flatten(1).sum(1)

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Return argmin_x tau TV(x) + 1/2 ||x - v||^2, each image to its own gap.

        It does not differentiate: autograd is refused, as its gradient would be missing without a word.

        Args:
            v: images, (B, C, H, W).
            tau: positive.

        Raises:
            IncompatibleError: v requires a gradient, and autograd is on.
            OptionError: the gap cannot be reached in v's dtype or in 50,000 steps.
        """
        if v.requires_grad and torch.is_grad_enabled():
            raise IncompatibleError(
                "The prox of tv does not differentiate. Give v.detach() or call it under torch.no_grad(); "
                "autograd passes through TV.value."
            )
        return tv_prox(v, tau, self.kind, self.gap)
