"""What a forward operator is: `Operator`, `LinearOperator`, and `Recipe`, which awaits a size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from invprior.numerics.box import Box
from invprior.numerics.linalg import conjugate_gradients, spectral_norm
from invprior.registry.options import Plugin, validate, wrap_plugin_errors

Shape: TypeAlias = tuple[int, ...]  # without the batch: (C, H, W) for images


class Operator(nn.Module, ABC, metaclass=Plugin):
    """A forward operator y = A(x), perhaps non-linear.

    A constructor takes `image_shape` first, then keyword-only options.

    Attributes:
        image_shape: shape of x without the batch, (C, H, W).
        measurement_shape: shape of y without the batch.
    """

    plugin_group: ClassVar[str] = "operators"
    image_shape: Shape
    measurement_shape: Shape

    def __init__(self, image_shape: Shape, measurement_shape: Shape | None = None) -> None:
        super().__init__()
        self.image_shape = tuple(image_shape)
        self.measurement_shape = tuple(measurement_shape or image_shape)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Apply A: (B, *image_shape) to (B, *measurement_shape); images of a batch do not mix."""

    @property
    def observation_mask(self) -> Tensor | None:
        """Which entries of y carry data, boolean, broadcasts to (B, *measurement_shape); or all."""
        return None

    @property
    def alignment(self) -> int:
        """Where a box that `restrict` takes may begin and end, in pixels: at multiples of this."""
        return 1

    @property
    def halo(self) -> int:
        """How many pixels beyond its own place a measurement sees, for operators that `restrict` serves."""
        return 0

    def restrict(self, box: Box) -> tuple[Operator, Box] | None:
        """Restrict A to a box of the image, so that a big image can be solved in tiles.

        Within `halo` of the box's border the restriction may differ from A, as it sees nothing beyond.

        Args:
            box: inside x, its sides at multiples of `alignment` or at the image's own.

        Returns:
            The operator on images of the box's size, and the box of y that it makes; None, the default, for an
            operator that does not act locally.
        """
        return None

    @classmethod
    def image_shape_for(cls, measurement_shape: Shape, **options: Any) -> Shape:
        """Return the shape of x for a measurement's shape; equal unless a class says otherwise."""
        return measurement_shape

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Recipe:
        """Check the options now, and wait for the image's size."""
        return Recipe(cls, validate(cls, options))


class LinearOperator(Operator):
    """A linear forward operator; all but `forward` have defaults, exact though not always fast."""

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^H: (B, *measurement_shape) to (B, *image_shape), by default by autograd."""
        with torch.enable_grad():
            x = y.new_zeros(y.shape[0], *self.image_shape).requires_grad_()
            (result,) = torch.autograd.grad(self(x), x, y)
        return result

    def normal(self, x: Tensor) -> Tensor:
        """Apply A^H A: (B, *image_shape) to the same."""
        return self.adjoint(self(x))

    @property
    def direct(self) -> bool:
        """Whether `solve_damped` is a closed form, about as cheap as `normal`; else it iterates."""
        return False

    def solve_damped(self, rhs: Tensor, damping: float) -> Tensor:
        """Solve (A^H A + damping I) x = rhs; by conjugate gradients unless overridden.

        Args:
            rhs: (B, *image_shape).
            damping: positive.
        """
        return conjugate_gradients(lambda x: self.normal(x) + damping * x, rhs)

    @property
    def back_projects(self) -> bool:
        """Whether `back_project` is about as cheap as `normal`; else it iterates."""
        return self.direct

    def back_project(self, y: Tensor, damping: float) -> Tensor:
        """Apply A^H M, with M close to (A A^H + damping I)^-1, symmetric and positive definite.

        A^H M (A x - y) is then the gradient of a misfit in which all that A keeps counts alike.

        Args:
            y: (B, *measurement_shape).
            damping: positive.
        """
        return self.solve_damped(self.adjoint(y), damping)

    def norm(self) -> float:
        """Upper bound on the spectral norm ||A||; by power iteration unless a class knows it."""
        tensors = [*self.parameters(), *self.buffers()]
        device = tensors[0].device if tensors else None
        dtype = next((t.dtype for t in tensors if t.is_floating_point()), None)
        like = torch.zeros(1, *self.image_shape, device=device, dtype=dtype)
        return spectral_norm(self.normal, like)

    def __matmul__(self, inner: LinearOperator) -> LinearOperator:
        """`A @ B` applies B first."""
        from invprior.operators.compose import Chain

        return Chain(inner, self)


@dataclass(frozen=True)
class Recipe:
    """An operator's class and its checked options, still without an image's size."""

    plugin_group: ClassVar[str] = "operators"
    operator: type[Operator]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, image_shape: Shape) -> Operator:
        """Make the operator for images of a shape (C, H, W).

        Raises:
            PluginError: the constructor of a plugin crashes.
        """
        with wrap_plugin_errors(self.operator):
            return self.operator(tuple(image_shape), **self.options)

    def for_measurement(self, measurement_shape: Shape) -> Operator:
        """Make the operator whose measurements have a shape, (C, H, W)."""
        return self(self.image_shape_for(measurement_shape))

    def described(self) -> tuple[type, Mapping[str, Any]]:
        """The class and the options, from which `registry.describe` prints the spec."""
        return self.operator, self.options

    def image_shape_for(self, measurement_shape: Shape) -> Shape:
        """Return the shape of x for a measurement's shape."""
        with wrap_plugin_errors(self.operator):
            return self.operator.image_shape_for(tuple(measurement_shape), **self.options)
