"""Linear operators of PyLops and SciPy as forward operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from pylops import LinearOperator as PylopsMatrix
from scipy.sparse.linalg import LinearOperator as SciPyMatrix
from torch import Tensor

from invprior import IncompatibleError, LinearOperator, OptionError
from invprior.numerics.tensors import apply_linear
from invprior.operators.base import Shape
from invprior.registry.objects import object_named

Matrix: TypeAlias = PylopsMatrix | SciPyMatrix


class Pylops(LinearOperator):
    """A linear operator of PyLops or SciPy, on the CPU.

    An operator of C * H * W columns is applied to the whole image, one of H * W columns to each channel. The
    measurement has PyLops' shape (`dimsd`) if that is known, else the image's if the sizes are equal, else it is one
    long row.
    Values are passed in C order. Where the operator computes in single precision, the result is only as precise.

    Args:
        operator: the operator, or a function that returns it for a shape (C, H, W); as text, `module:object`. The
            module may be a file in the current folder.
        image: the shape of x, (C, H, W); needed when a measurement of another shape is given and PyLops does not know
            the image's.
    """

    def __init__(
        self,
        image_shape: Shape,
        *,
        operator: str | Matrix | Callable[[Shape], Matrix],
        image: tuple[int, int, int] | None = None,
    ) -> None:
        matrix = _made(operator, tuple(image_shape))
        self.by_channel = matrix.shape[1] != math.prod(image_shape)
        super().__init__(image_shape, _measured(matrix, tuple(image_shape)))
        # The record of a run names a function by its place in a module.
        self.operator = operator if isinstance(operator, str | Matrix) else _name(operator)
        self.image = image
        self._matrix = matrix

    @classmethod
    def image_shape_for(cls, measurement_shape: Shape, **options: Any) -> Shape:
        """Return the image's shape: the option `image`, else PyLops' own, else the measurement's.

        Raises:
            OptionError: none of these gives a measurement of this shape.
        """
        operator = object_named(options["operator"], "operator", "pylops")
        given = options.get("image")
        channels = measurement_shape[0]
        guesses: list[Shape] = [given] if given else [measurement_shape]
        dims = tuple(map(int, getattr(operator, "dims", ())))
        if not given and len(dims) in (2, 3):
            guesses.insert(0, dims if len(dims) == 3 else (channels, *dims))
        for guess in guesses:
            try:
                if _measured(_made(operator, guess), guess) == tuple(measurement_shape):
                    return guess
            except IncompatibleError:
                continue
        raise OptionError(
            f'The option "image" of pylops must be the shape (C, H, W) of an image whose measurement has the shape '
            f"{tuple(measurement_shape)}; {'got ' + str(given) if given else 'none was given'}."
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the operator to each image of a batch."""
        return apply_linear(self._forward, self._adjoint, x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the operator's own adjoint."""
        return apply_linear(self._adjoint, self._forward, y)

    def _forward(self, x: Tensor) -> Tensor:
        return self._each(self._matrix.matmat, x, self.measurement_shape)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._each(self._matrix.rmatmat, y, self.image_shape)

    def _each(
        self, product: Callable[[NDArray[Any]], NDArray[Any]], x: Tensor, shape: Shape
    ) -> Tensor:
        # The whole batch in one product, an image or a channel per column.
        rows = len(x) * (self.image_shape[0] if self.by_channel else 1)
        columns = x.detach().to("cpu").reshape(rows, -1).numpy().T
        made = np.ascontiguousarray(np.asarray(product(columns)).T)
        return torch.from_numpy(made).to(x.device, x.dtype).reshape(len(x), *shape)


def _made(operator: Any, image_shape: Shape) -> Matrix:
    """Return the operator for a shape.

    Raises:
        OptionError: it is no linear operator, or a complex one.
    """
    found = object_named(operator, "operator", "pylops")
    made = found if isinstance(found, Matrix) or not callable(found) else found(image_shape)
    if not isinstance(made, Matrix):
        raise OptionError(
            f'The option "operator" of pylops must be a LinearOperator of PyLops or SciPy, or a function that returns '
            f"one for a shape; got {type(made).__name__}. SciPy's aslinearoperator wraps matrices."
        )
    if np.issubdtype(made.dtype, np.complexfloating):
        raise OptionError(
            "The operator of pylops must be real, as images are; got a complex one. Stack its real and "
            "imaginary parts: pylops.VStack([A.toreal(), A.toimag()])."
        )
    return made


def _measured(matrix: Matrix, image_shape: Shape) -> Shape:
    """Return the shape of an image's measurement.

    Raises:
        IncompatibleError: the operator is for images of another size.
    """
    channels, height, width = image_shape
    rows, columns = matrix.shape
    if columns not in (math.prod(image_shape), height * width):
        raise IncompatibleError(
            f"The operator of pylops takes {columns} values; an image {tuple(image_shape)} has "
            f"{math.prod(image_shape)}, {height * width} per channel. Make the operator for this size."
        )
    whole = columns == math.prod(image_shape)
    dims = tuple(map(int, getattr(matrix, "dimsd", ())))
    if whole and rows == columns:
        return tuple(image_shape)
    if whole and len(dims) == 3:
        return dims
    count = 1 if whole else channels
    if len(dims) == 2:
        return (count, *dims)
    return (count, height, width) if rows == height * width else (count, 1, rows)


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}:{getattr(function, '__qualname__', type(function).__name__)}"
