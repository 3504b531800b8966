"""Bases that diagonalise convolutions: Fourier for circular borders, cosines for mirrored ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invprior.numerics.boundary import Boundary
from invprior.numerics.tensors import Constant


class Diagonal:
    """Convolution with a kernel, as a multiplication by `eigenvalues` in a basis.

    The basis exists for circular boundaries. For mirrored ones it exists when the kernel is
    symmetric about its centre along both axes; `diagonalises` decides.

    Args:
        kernel: float64, centre at size // 2.
        size: height and width of the images.
        boundary: circular or reflect.

    Source: Strang 1999, "The discrete cosine transform".
    """

    def __init__(self, kernel: Tensor, size: tuple[int, int], boundary: Boundary) -> None:
        self.size, self.circular = size, boundary == "circular"
        last = (
            size[1] // 2 + 1 if self.circular else size[1]
        )  # a real FFT holds half of the columns
        # Summing the taps' responses directly also serves kernels larger than the image.
        rows = _basis(size[0], size[0], kernel.shape[0], self.circular)
        columns = _basis(size[1], last, kernel.shape[1], self.circular)
        self.eigenvalues = rows @ kernel.to(rows.dtype) @ columns.T
        self._energy = Constant(self.eigenvalues.abs() ** 2)

    @staticmethod
    def diagonalises(kernel: Tensor, boundary: Boundary) -> bool:
        """Return whether the convolution is diagonal in one of the two bases."""
        if boundary != "reflect":
            return boundary == "circular"
        # An even kernel has no pixel at its centre and is never symmetric about it.
        odd = kernel.shape[0] % 2 == kernel.shape[1] % 2 == 1
        skew = max(float((kernel - kernel.flip(dim)).abs().max()) for dim in (0, 1))
        return odd and skew <= 1e-12 * float(kernel.abs().max())

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Solve (A^H A + damping I) x = rhs exactly, (..., H, W)."""
        scale = self._energy.like(rhs) + damping
        if self.circular:
            x: Tensor = torch.fft.irfft2(torch.fft.rfft2(rhs).div_(scale), s=self.size)
            return x
        return idct(idct(dct(dct(rhs, -1), -2).div_(scale), -2), -1)


def dct(x: Tensor, dim: int) -> Tensor:
    """Apply the orthonormal cosine transform (DCT-II) along a dimension.

    It takes one real Fourier transform of the same length.

    Source: Makhoul 1980, "A fast cosine transform in one and two dimensions".
    """
    x = x.movedim(dim, -1)
    n = x.shape[-1]
    # Even samples upwards, then odd samples downwards: Makhoul's order.
    shuffled = torch.cat([x[..., ::2], x[..., 1::2].flip(-1)], -1)
    z = torch.fft.rfft(shuffled).mul_(_twiddle(n, x))
    return torch.cat([z.real, -z.imag[..., 1 : (n + 1) // 2].flip(-1)], -1).movedim(-1, dim)


def idct(x: Tensor, dim: int) -> Tensor:
    """Apply the inverse of `dct`, which is also its adjoint."""
    x = x.movedim(dim, -1)
    n = x.shape[-1]
    half = n // 2 + 1
    mirrored = torch.cat([torch.zeros_like(x[..., :1]), x[..., n - half + 1 :].flip(-1)], -1)
    z = torch.complex(x[..., :half].contiguous(), -mirrored)
    shuffled = torch.fft.irfft(z.div_(_twiddle(n, x)), n=n)
    x = torch.empty_like(shuffled)
    x[..., ::2] = shuffled[..., : (n + 1) // 2]
    x[..., 1::2] = shuffled[..., (n + 1) // 2 :].flip(-1)
    return x.movedim(-1, dim)


def _twiddle(n: int, like: Tensor) -> Tensor:
    """Return the factors from the shuffled Fourier transform to the orthonormal cosine transform."""
    k = torch.arange(n // 2 + 1, device=like.device, dtype=like.dtype)
    scale = torch.full_like(k, math.sqrt(2.0 / n))
    scale[0] = math.sqrt(1.0 / n)
    return torch.polar(scale, -math.pi / (2 * n) * k)


def _basis(size: int, frequencies: int, taps: int, circular: bool) -> Tensor:
    """Return the response of every frequency to every tap, (frequencies, taps)."""
    k = torch.arange(frequencies, dtype=torch.float64)[:, None]
    offset = torch.arange(taps, dtype=torch.float64) - taps // 2
    if circular:
        # The remainder keeps the phase's digits for high frequencies and distant taps.
        phase = -2.0 * math.pi / size * torch.remainder(k * offset, size)
        return torch.polar(torch.ones_like(phase), phase)
    return torch.cos(math.pi / size * k * offset)
