"""A matrix, from a file or drawn at random."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from invprior.errors import MeasurementError, OptionError
from invprior.io.arrays import read_matrix
from invprior.io.room import check_room
from invprior.numerics.linalg import spectral_norm
from invprior.numerics.tensors import Constant, apply_linear
from invprior.operators.base import LinearOperator, Shape
from invprior.operators.sizes import square_side

Length = Annotated[int, Ge(1)]


class Matrix(LinearOperator):
    """Any linear map: y = M x, a vector (m,), where x is the image as a vector, row by row, channel after channel.

    Without a file, M has independent normal entries of variance 1 / m, as in compressed sensing.

    Args:
        file: M, (m, pixels): a dense .npy, .npz or text file, or a sparse .npz file of `scipy.sparse.save_npz`; in
            Python also a tensor.
        keep: number of rows of a random matrix, as a fraction of the image's values.
        seed: seed of a random matrix.
        size: shape of the image, [height, width] or [channels, height, width], [1, N] for a signal; only a measurement
            of an image that is neither square nor grey needs it.
    """

    measurement_axes = 1

    def __init__(
        self,
        image_shape: Shape,
        *,
        file: str | Path | Tensor | None = None,
        keep: Annotated[float, Gt(0)] | None = None,
        seed: Annotated[int, Ge(0)] = 0,
        size: tuple[Length, Length] | tuple[Length, Length, Length] | None = None,
    ) -> None:
        pixels = math.prod(image_shape)
        if file is not None and keep is not None:
            raise OptionError("matrix must be given file or keep, not both. Leave out one.")
        if size is not None and (1,) * (3 - len(size)) + tuple(size) != tuple(image_shape):
            raise OptionError(
                f"The size of matrix must be that of the image, {list(image_shape)}; got {list(size)}. Leave it out: "
                "only a measurement needs it."
            )
        matrix = (
            _given(file)
            if file is not None
            else _random(_KEEP if keep is None else keep, seed, pixels)
        )
        if matrix.shape[1] != pixels:
            raise MeasurementError(
                f"The file of matrix must have a column for each of the {pixels} values of an image "
                f"{tuple(image_shape)}; its shape is {tuple(matrix.shape)}."
            )
        super().__init__(image_shape, (matrix.shape[0],))
        self.file, self.keep, self.seed, self.size = file, keep, seed, size
        # Both, as a sparse product needs its left side as it is stored.
        self._matrix = Constant(matrix)
        self._transposed = Constant(matrix.T.coalesce() if matrix.is_sparse else matrix.T)

    @classmethod
    def image_shape_for(
        cls,
        measurement_shape: Shape,
        *,
        file: str | Path | Tensor | None = None,
        keep: float | None = None,
        seed: object = 0,
        size: tuple[int, ...] | None = None,
    ) -> Shape:
        """Return `size`, or the square grey image of so many values.

        Raises:
            OptionError: there is none.
        """
        (count,) = measurement_shape
        if size is not None:
            return (1,) * (3 - len(size)) + tuple(size)
        if file is not None:
            pixels: float = _given(file).shape[1]
        else:
            pixels = count / (_KEEP if keep is None else keep)

        def fits(n: int) -> bool:
            return n * n == pixels if file is not None else _rows(keep, n * n) == count

        side = square_side(math.sqrt(pixels), fits)
        if side is None:
            raise OptionError(
                f"The size of matrix must be given for a measurement of {count} values: no square grey image has it. "
                "Give height and width, or channels, height and width, as in matrix:size=[3,64,48], or [1,1000] for a "
                "signal of 1000 samples."
            )
        return (1, side, side)

    def noise_view(self, y: Tensor) -> None:
        """Return None: neighbours in the vector need not be alike."""
        return

    def forward(self, x: Tensor) -> Tensor:
        """Return M x: (B, C, H, W) to (B, m)."""
        return apply_linear(self._times, self._times_transposed, x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return M^T y as images."""
        return apply_linear(self._times_transposed, self._times, y)

    def norm(self) -> float:
        """Return an upper bound, by the Lanczos method; computed once."""
        return self._norm

    @cached_property
    def _norm(self) -> float:
        return spectral_norm(self.normal, torch.zeros(1, *self.image_shape))

    def _times(self, x: Tensor) -> Tensor:
        return (self._matrix.like(x) @ x.flatten(1).T).T.contiguous()

    def _times_transposed(self, y: Tensor) -> Tensor:
        return (self._transposed.like(y) @ y.T).T.reshape(len(y), *self.image_shape)


_KEEP = 0.5  # rows of a random matrix for each value of the image


def _rows(keep: float | None, pixels: int) -> int:
    return max(round((_KEEP if keep is None else keep) * pixels), 1)


def _given(file: str | Path | Tensor) -> Tensor:
    """Return the matrix, float64, dense or sparse (COO)."""
    if not isinstance(file, Tensor):
        return read_matrix(file)
    if file.is_complex() or file.dim() != 2 or not bool(_values(file).isfinite().all()):
        raise MeasurementError(
            f"The file of matrix must be a real, finite matrix; got {tuple(file.shape)}, {file.dtype}."
        )
    matrix = file.detach().cpu().double()
    return matrix.to_sparse_coo().coalesce() if matrix.layout != torch.strided else matrix


def _values(matrix: Tensor) -> Tensor:
    return matrix if matrix.layout == torch.strided else matrix.to_sparse_coo().coalesce().values()


def _random(keep: float, seed: int, pixels: int) -> Tensor:
    rows = _rows(keep, pixels)
    check_room(rows * pixels, 16)
    # Drawn on the CPU, so that a seed gives the same matrix on every device.
    generator = torch.Generator().manual_seed(seed)
    entries = torch.randn(rows, pixels, generator=generator, dtype=torch.float64)
    return entries / math.sqrt(rows)
