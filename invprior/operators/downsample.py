"""Downsampling by an integer factor, which super-resolution inverts."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.numerics.box import Box
from invprior.numerics.filtering import Axis, Filter
from invprior.numerics.resampling import Name, taps
from invprior.numerics.tensors import Constant, apply_linear
from invprior.operators.base import LinearOperator, LocalOperator, Shape


class Downsample(LinearOperator, LocalOperator):
    """Smooth with an anti-aliasing kernel and keep one pixel for each block of factor x factor.

    Each result is centred on its block, as in every image library. `lanczos2` at an even factor is
    the downsampler of the Deep Image Prior paper except at the border, which the authors replicate.
    The boundary completes a last block that the image does not fill. The default boundary is
    `reflect`, because real scenes do not wrap around. The closed-form solution holds for both.

    A signal, an image of one row, is shortened along the row only.

    Args:
        factor: number of pixels along each axis that become one.
        kernel: lanczos2, lanczos3, bicubic or box; all but box are widened by the factor.
        boundary: values beyond the border. reflect mirrors the image and repeats its border pixels.
            circular repeats the image.
    """

    def __init__(
        self,
        image_shape: Shape,
        *,
        factor: Annotated[int, Ge(2)] = 4,
        kernel: Name = "lanczos2",
        boundary: Literal["reflect", "circular"] = "reflect",
    ) -> None:
        weights = taps(kernel, factor)
        axes = [_axis(n, factor, len(weights)) for n in image_shape[-2:]]
        super().__init__(image_shape, (*image_shape[:-2], axes[0].windows, axes[1].windows))
        self.factor, self.kernel, self.boundary = factor, kernel, boundary
        self._weights, self._axes = weights, axes
        self._filter = Filter(torch.outer(weights, weights), axes[0], axes[1], boundary)

    @classmethod
    def image_shape_for(cls, measurement_shape: Shape, **options: Any) -> Shape:
        """The measurement's size times the factor; a measurement of one row is that of a signal, of one row too."""
        # Several sizes of x have this measurement; this is the one with complete blocks.
        factor = options.get("factor", 4)
        *channels, height, width = measurement_shape
        rows, columns = (n if n == 1 else factor * n for n in (height, width))
        return (*channels, rows, columns)

    def forward(self, x: Tensor) -> Tensor:
        """Return the smaller images."""
        return apply_linear(self._filter.forward, self._filter.adjoint, x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Spread every pixel of y over its window, with the exact adjoint of the border."""
        return apply_linear(self._filter.adjoint, self._filter.forward, y)

    @property
    def direct(self) -> bool:
        """Always true."""
        return True

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Solve exactly, for every boundary and size.

        By Woodbury's identity the inverse of A^H A + d I is (I - A^H (A A^H + d I)^-1 A) / d. Here
        A A^H is a Kronecker product of one small matrix per axis, and is diagonal in the product of
        their eigenvectors.

        Source: after Zhao et al. 2016, "Fast single image super-resolution using a new analytical
        solution for l2-l2 problems", whose Fourier basis is for circular boundaries only.
        """
        (rows, u), (columns, v) = self._spectra
        u_, v_ = u.like(rhs), v.like(rhs)
        energy = rows.like(rhs)[:, None] * columns.like(rhs)
        small = u_.T @ self(rhs) @ v_
        small = u_ @ (small / (energy + damping)) @ v_.T
        return (rhs - self.adjoint(small)) / damping

    def norm(self) -> float:
        """Return the square root of the largest eigenvalue of A A^H, which is exact."""
        (rows, _), (columns, _) = self._spectra
        return float((rows.master.max() * columns.master.max()).sqrt()) * (1.0 + 1e-6)

    @property
    def alignment(self) -> int:
        """The factor."""
        return self.factor

    @property
    def halo(self) -> int:
        """Pixels by which a window exceeds its block to one side."""
        return (len(self._weights) - self.factor) // 2

    def restrict(self, box: Box) -> tuple[Downsample, Box]:
        """Return the operator with the same kernel, mirrored at the box's border."""
        if self.boundary == "circular":
            raise IncompatibleError(
                "downsample with boundary=circular joins opposite borders and does not act locally."
            )
        shape = (*self.image_shape[:-2], box.height, box.width)
        part = Downsample(shape, factor=self.factor, kernel=self.kernel, boundary=self.boundary)
        height, width = part.measurement_shape[-2:]
        return part, Box(box.top // self.factor, box.left // self.factor, height, width)

    @cached_property
    def _spectra(self) -> list[tuple[Constant, Constant]]:
        """The eigenvalues and eigenvectors of A A^H along each axis."""
        found = []
        for axis in self._axes:
            # A one-dimensional filter gives the axis's Gram matrix, borders included.
            one = Filter(self._weights[:, None], axis, Axis(axis.windows, 1, 0, 0), self.boundary)
            gram = one.forward(one.adjoint(torch.eye(axis.windows, dtype=torch.float64)))
            values, vectors = torch.linalg.eigh(gram)
            # Rounding can make an eigenvalue of 0 negative.
            found.append((Constant(values.clamp_min(0.0)), Constant(vectors)))
        return found


def _axis(size: int, factor: int, width: int) -> Axis:
    """Centre a window of `width` pixels on each block of `factor`; both are even, or both are odd."""
    blocks = -(-size // factor)
    before = (width - factor) // 2
    after = (blocks - 1) * factor + width - before - size
    return Axis(size, width, before, after, factor)
