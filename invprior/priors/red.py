"""Regularisation by denoising."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Gt
from torch import Tensor

from invprior.denoisers.base import Denoiser
from invprior.denoisers.wavelet import WaveletDenoiser
from invprior.numerics.linalg import dot
from invprior.problem.functionals import Penalty


class RED(Penalty):
    """Regularisation by denoising: R(x) = 1/2 <x, x - D(x)>, whose gradient is x - D(x).

    The gradient is that of the paper. This also holds where x = f(z) and autograd chains it to z:
    D itself is never differentiated. The gradient is that of R only when D scales with its input and
    has a symmetric Jacobian. For other denoisers, the residual defines the method.

    Args:
        denoiser: the denoiser D. One that expands distances, as nlm and bilateral do, can make what A
            does not see diverge.
        sigma: noise level that D removes, as a fraction of the image's range; the strength of the prior.

    Source: Romano, Elad and Milanfar 2017, "The little engine that could: regularization by
    denoising", equations 4 and 11.
    """

    takes_complex = True  # as every denoiser does
    default_weight: float = 400.0
    offset_invariant = True
    degree = 2.0
    convex: bool = False  # with a denoiser that thresholds, runs from two starts ended 1.3 dB apart
    expected_failures: ClassVar[Mapping[str, str]] = {
        "gradient": "the gradient x - D(x) defines the method and belongs to a value only for some denoisers"
    }

    def __init__(
        self, *, denoiser: Denoiser = WaveletDenoiser(), sigma: Annotated[float, Gt(0)] = 0.05
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.sigma = sigma

    def value(self, x: Tensor) -> Tensor:
        """Return R of each image, (B,); autograd gives x - D(x)."""
        value: Tensor = _Energy.apply(x, self.gradient(x))  # type: ignore[no-untyped-call]
        return value

    def gradient(self, x: Tensor) -> Tensor:
        """Return the residual x - D(x)."""
        with torch.no_grad():
            return x - self.denoiser.denoise(x, self.sigma)

    def lipschitz(self) -> float:
        """Return 2, which holds for a denoiser that does not expand distances."""
        return 2.0


# Autograd through `value` must give x - D(x). Without this it would differentiate the product.
class _Energy(torch.autograd.Function):
    """Compute 1/2 <x, residual> forward, and return the residual as the gradient in x backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, residual: Tensor) -> Tensor:
        ctx.save_for_backward(residual)
        return 0.5 * dot(x, residual)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (residual,) = ctx.saved_tensors
        return grad_outputs[0].view(-1, *[1] * (residual.dim() - 1)) * residual, None
