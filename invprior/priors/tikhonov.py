"""Tikhonov regularisation by squared gradients or squared intensities."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from invprior.numerics.complex_parts import from_parts, parts
from invprior.numerics.linalg import dot, negative_laplacian
from invprior.numerics.spectral import dct, idct
from invprior.problem.functionals import Penalty, Proximable


class Tikhonov(Penalty, Proximable):
    """R(x) = 1/2 ||grad x||^2, which is fast, exact and smooth but blurs edges.

    The gradient takes forward differences between neighbours, and none across the border.

    Args:
        order: 1 penalises the gradient. 0 penalises the intensities, R(x) = 1/2 ||x||^2, which
            darkens the image but makes every problem well-posed.

    Source: Tikhonov 1963. The prox for order 1 is diagonal in the cosine basis; Strang 1999, "The
    discrete cosine transform".
    """

    takes_complex = True
    default_weight: float = 60.0
    offset_invariant = True
    degree = 2.0

    def __init__(self, *, order: Literal[0, 1] = 1) -> None:
        super().__init__()
        self.order = order
        self.offset_invariant = order == 1

    def value(self, x: Tensor) -> Tensor:
        """Return R of each image, (B,)."""
        if self.order == 0:
            return 0.5 * dot(x, x)
        vertical, horizontal = x.diff(dim=-2), x.diff(dim=-1)
        return 0.5 * (dot(vertical, vertical) + dot(horizontal, horizontal))

    def gradient(self, x: Tensor) -> Tensor:
        """Return minus the Laplacian of x for order 1, x for order 0."""
        return negative_laplacian(x) if self.order else x

    def lipschitz(self) -> float:
        """Return 8 for order 1, the bound on the Laplacian's norm; 1 for order 0."""
        return 8.0 if self.order else 1.0

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Return (I + tau grad^T grad)^-1 v, by division in the cosine basis."""
        if self.order == 0:
            return v / (1.0 + tau)
        if v.is_complex():  # the cosine transform takes real images
            return from_parts(self.prox(parts(v), tau))
        # Differences that end at the border are those of a mirrored image, whose basis is cosines.
        spectrum = dct(dct(v, -1), -2) / (1.0 + tau * _laplacian(v))
        return idct(idct(spectrum, -2), -1)

    def degrees_of_freedom(self, v: Tensor, tau: float) -> float:
        """Return the sum of the factors by which the prox shrinks the cosine coefficients."""
        each = 2 if v.is_complex() else 1
        if self.order == 0:
            return each * v.numel() / (1.0 + tau)
        # In float64, as a float32 sum over many pixels loses digits.
        shrinking = 1.0 / (1.0 + tau * _laplacian(v).double())
        return each * float(shrinking.sum()) * math.prod(v.shape[:-2])


def _laplacian(like: Tensor) -> Tensor:
    """Return the eigenvalues of grad^T grad in the cosine basis, (H, W)."""
    rows, columns = (_eigenvalues(n, like) for n in like.shape[-2:])
    return rows[:, None] + columns


def _eigenvalues(n: int, like: Tensor) -> Tensor:
    """Return the eigenvalues, (n,), of the negative second difference of length n with free ends."""
    angles = torch.arange(n, dtype=like.real.dtype, device=like.device) * (math.pi / (2 * n))
    return 4.0 * angles.sin().square()
