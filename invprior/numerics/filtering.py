"""Linear filters of images with exact adjoints, by the fastest method for the kernel.

A filter extends the image beyond its border, correlates it with a kernel and keeps every
stride-th result. A separable kernel is applied along columns and then along rows. A kernel with few
non-zero weights is a sum of shifted images. Any other kernel is applied by Fourier transforms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from invprior.numerics.boundary import Boundary, extend, fold
from invprior.numerics.tensors import Constant

# This many shifted images cost as much as Fourier transforms. Measured on a CPU: 25 to 130, by size.
MOST_SHIFTS = 48


@dataclass(frozen=True)
class Axis:
    """How a filter runs along one dimension of an image.

    Args:
        size: length of the image.
        taps: length of the kernel.
        before: pixels that the first window covers before the image's first pixel.
        after: pixels that the last window covers after the image's last pixel.
        stride: step from one window to the next.
    """

    size: int
    taps: int
    before: int
    after: int
    stride: int = 1

    @property
    def extended(self) -> int:
        """Length of the extended image."""
        return self.size + self.before + self.after

    @property
    def windows(self) -> int:
        """Length of the result."""
        return (self.extended - self.taps) // self.stride + 1

    def windows_only(self) -> Axis:
        """Return the axis of an image that is already filtered along it: one tap, no extension."""
        return Axis(self.windows, 1, 0, 0)

    def extended_only(self) -> Axis:
        """Return the axis of an image that is extended along it and not yet filtered."""
        return Axis(self.extended, 1, 0, 0)


class Filter:
    """Extend an image, correlate it with a kernel, and keep every stride-th result.

    y[i, j] = sum over a, b of kernel[a, b] x[stride i + a - before, stride j + b - before].

    Args:
        kernel: weights, (rows.taps, columns.taps), float64.
        rows: the vertical axis.
        columns: the horizontal axis.
        boundary: what lies beyond the border.
    """

    def __init__(self, kernel: Tensor, rows: Axis, columns: Axis, boundary: Boundary) -> None:
        self.rows, self.columns, self.boundary = rows, columns, boundary
        self._steps = _fastest(kernel, rows, columns)

    def forward(self, x: Tensor) -> Tensor:
        """Filter images, (..., H, W) to (..., rows.windows, columns.windows)."""
        x = extend(x, -2, self.rows.before, self.rows.after, self.boundary)
        x = extend(x, -1, self.columns.before, self.columns.after, self.boundary)
        for step in self._steps:
            x = step.forward(x)
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the exact adjoint of `forward`."""
        # The adjoint of a product applies the adjoints in reverse order, borders last.
        for step in reversed(self._steps):
            y = step.adjoint(y)
        y = fold(y, -1, self.columns.before, self.columns.after, self.boundary)
        return fold(y, -2, self.rows.before, self.rows.after, self.boundary)


def separate(kernel: Tensor) -> tuple[Tensor, Tensor] | None:
    """Factor a kernel into a column (k,) and a row (l,); None when its rank is above 1."""
    u, s, vh = torch.linalg.svd(kernel)
    if len(s) > 1 and s[1] > 1e-12 * s[0]:
        return None
    root = s[0].sqrt()
    sign = torch.where(u[:, 0].sum() < 0, -1.0, 1.0)  # the SVD leaves the factors' sign open
    return sign * root * u[:, 0], sign * root * vh[0]


class _Step(Protocol):
    def forward(self, x: Tensor) -> Tensor: ...

    def adjoint(self, y: Tensor) -> Tensor: ...


def _fastest(kernel: Tensor, rows: Axis, columns: Axis) -> list[_Step]:
    weights = int(kernel.count_nonzero())
    # A Fourier transform computes every result, of which a stride keeps few.
    strided = rows.stride * columns.stride > 1
    # Separated, a kernel costs one shift per row and one per column.
    factors = separate(kernel)
    if factors is not None and (strided or sum(kernel.shape) <= min(weights + 1, 2 * MOST_SHIFTS)):
        column, row = factors
        return [
            _Shifts(column[:, None], rows, columns.extended_only()),
            _Shifts(row[None], rows.windows_only(), columns),
        ]
    if strided or weights <= MOST_SHIFTS:
        return [_Shifts(kernel, rows, columns)]
    return [_Fourier(kernel, rows, columns)]


class _Shifts:
    """Correlation as a weighted sum of shifted images, one per non-zero weight."""

    def __init__(self, kernel: Tensor, rows: Axis, columns: Axis) -> None:
        self.rows, self.columns = rows, columns
        self.taps = [(int(i), int(j), float(kernel[i, j])) for i, j in kernel.nonzero().tolist()]

    def forward(self, x: Tensor) -> Tensor:
        y = x.new_zeros(*x.shape[:-2], self.rows.windows, self.columns.windows)
        for i, j, weight in self.taps:
            y.add_(self._shifted(x, i, j), alpha=weight)
        return y

    def adjoint(self, y: Tensor) -> Tensor:
        x = y.new_zeros(*y.shape[:-2], self.rows.extended, self.columns.extended)
        for i, j, weight in self.taps:
            self._shifted(x, i, j).add_(y, alpha=weight)
        return x

    def _shifted(self, x: Tensor, i: int, j: int) -> Tensor:
        r, c = self.rows, self.columns
        last_row, last_column = i + (r.windows - 1) * r.stride, j + (c.windows - 1) * c.stride
        return x[..., i : last_row + 1 : r.stride, j : last_column + 1 : c.stride]


class _Fourier:
    """Correlation by Fourier transforms, padded to a size that transforms fast."""

    def __init__(self, kernel: Tensor, rows: Axis, columns: Axis) -> None:
        self.rows, self.columns = rows, columns
        self.size = tuple(next_fast_len(axis.extended, real=True) for axis in (rows, columns))
        self.spectrum = Constant(torch.fft.rfft2(kernel, s=self.size))

    def forward(self, x: Tensor) -> Tensor:
        # The conjugate spectrum correlates; the spectrum itself, below, convolves.
        product = torch.fft.rfft2(x, s=self.size).mul_(self.spectrum.like(x).conj())
        y: Tensor = torch.fft.irfft2(product, s=self.size)
        return y[..., : self.rows.windows, : self.columns.windows]

    def adjoint(self, y: Tensor) -> Tensor:
        product = torch.fft.rfft2(y, s=self.size).mul_(self.spectrum.like(y))
        x: Tensor = torch.fft.irfft2(product, s=self.size)
        return x[..., : self.rows.extended, : self.columns.extended]
