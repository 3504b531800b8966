"""What a forward operator is: `Operator`, `LinearOperator`, and `Recipe`, which awaits a size."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from invprior.errors import IncompatibleError, OptionError
from invprior.numerics.box import Box
from invprior.numerics.linalg import conjugate_gradients, spectral_norm
from invprior.registry.options import plain_name, short_repr
from invprior.registry.plugin import Plugin, validate, wrap_plugin_errors

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

    if TYPE_CHECKING:  # torch types a module's call as Any

        def __call__(self, x: Tensor) -> Tensor: ...  # noqa: D102

    @property
    def observation_mask(self) -> Tensor | None:
        """Which entries of y carry data, boolean, broadcasts to (B, *measurement_shape); None means all."""
        return None

    @property
    def is_identity(self) -> bool:
        """Whether A x = x, so that noise alone is left to remove."""
        return False

    @property
    def is_mask(self) -> bool:
        """Whether A x is x where `observation_mask` is true and 0 elsewhere."""
        return False

    if TYPE_CHECKING:  # an override names its own options, which mypy accepts of no narrower type

        @classmethod
        def image_shape_for(cls, *args: Any, **options: Any) -> Shape: ...  # noqa: D102

    else:

        @classmethod
        def image_shape_for(cls, measurement_shape: Shape, **options: Any) -> Shape:
            """Return the shape of x for a measurement's shape; the same shape by default.

            Args:
                measurement_shape: without the batch, (C, H, W).
                options: the options that the operator is given; an override lists those it needs by name.
            """
            return measurement_shape

    def __repr__(self) -> str:
        return short_repr(self, self.image_shape)

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Recipe:
        """Check the options now, and wait for the image's size."""
        return Recipe(cls, options)


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
        made: LinearOperator = Compose.construct(inner.image_shape, operators=(inner, self))
        return made


class LocalOperator(Operator):
    """An operator whose measurements each see a neighbourhood of the image; tiles need it.

    Derive from it beside `LinearOperator`, and write `restrict`.
    """

    @property
    def alignment(self) -> int:
        """The boxes that `restrict` takes begin and end at multiples of this, in pixels."""
        return 1

    @property
    def halo(self) -> int:
        """How many pixels beyond its own place a measurement sees."""
        return 0

    @abstractmethod
    def restrict(self, box: Box) -> tuple[Operator, Box]:
        """Restrict A to a box of the image.

        Within `halo` of the box's border the restriction may differ from A, as it sees nothing beyond.

        Args:
            box: inside x, its sides at multiples of `alignment` or at the image's own.

        Returns:
            The operator on images of the box's size, and the box of y that it makes.

        Raises:
            IncompatibleError: with these options the operator does not act locally.
        """


@dataclass(frozen=True)
class Recipe:
    """An operator's class and its checked options, still without an image's size."""

    plugin_group: ClassVar[str] = "operators"
    operator: type[Operator]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:  # here, and not again for every size
        object.__setattr__(self, "options", validate(self.operator, dict(self.options)))

    def __call__(self, image_shape: Shape) -> Operator:
        """Make the operator for images of a shape (C, H, W).

        Raises:
            PluginError: the constructor of a plugin crashes.
        """
        with wrap_plugin_errors(self.operator):
            made: Operator = self.operator.construct(tuple(image_shape), **self.options)
            return made

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


class Compose(LinearOperator, LocalOperator):
    """Linear operators one after the other, such as blur and then downsample; `A @ B` makes one.

    Args:
        operators: the operators, the first applied first.
    """

    def __init__(self, image_shape: Shape, *, operators: tuple[Recipe, ...]) -> None:
        if not operators:
            raise OptionError("The operators of compose must be one or more; got none.")
        stages: list[Operator] = []
        shape = tuple(image_shape)
        for given in operators:
            stage = given(shape) if isinstance(given, Recipe) else given  # `A @ B` gives operators
            if not isinstance(stage, LinearOperator):
                raise IncompatibleError(
                    f"{type(stage).__name__} is not linear, and only linear operators compose. "
                    "Derive it from LinearOperator, or write the whole chain as one Operator."
                )
            if stage.image_shape != shape:
                raise IncompatibleError(
                    f"{type(stage).__name__} takes images of shape {stage.image_shape}; "
                    f"{type(stages[-1]).__name__} before it makes {shape}. Build it for that shape."
                )
            stages.append(stage)
            shape = stage.measurement_shape
        super().__init__(image_shape, shape)
        self._stages = nn.ModuleList(stages)

    @classmethod
    def image_shape_for(cls, measurement_shape: Shape, *, operators: tuple[Recipe, ...]) -> Shape:
        """Run the chain backwards, from the last operator to the first."""
        for recipe in reversed(operators):
            measurement_shape = recipe.image_shape_for(measurement_shape)
        return measurement_shape

    @property
    def operators(self) -> tuple[LinearOperator, ...]:
        """The operators, the first applied first."""
        return tuple(self._stages)  # type: ignore[arg-type]

    @property
    def observation_mask(self) -> Tensor | None:
        """The last operator's."""
        return self.operators[-1].observation_mask

    def forward(self, x: Tensor) -> Tensor:
        """Apply all operators in order."""
        for operator in self.operators:
            x = operator(x)
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply all adjoints in reverse order."""
        for operator in reversed(self.operators):
            y = operator.adjoint(y)
        return y

    def norm(self) -> float:
        """The product of the norms, which bounds the chain's."""
        return math.prod(operator.norm() for operator in self.operators)

    @property
    def alignment(self) -> int:
        """The product of the alignments, as each counts in its own operator's pixels."""
        return math.prod(o.alignment for o in self.operators if isinstance(o, LocalOperator))

    @property
    def halo(self) -> int:
        """The sum of the halos, in pixels of x."""
        total, scale = 0, 1
        for operator in self.operators:
            if isinstance(operator, LocalOperator):
                total += scale * operator.halo
                scale *= operator.alignment
        return total

    def restrict(self, box: Box) -> tuple[Compose, Box]:
        """Restrict each operator to the box that the one before it makes."""
        whole, parts = box, []
        for operator in self.operators:
            if not isinstance(operator, LocalOperator):
                raise IncompatibleError(f"{plain_name(type(operator))} does not act locally.")
            part, box = operator.restrict(box)
            parts.append(part)
        shape = (*self.image_shape[:-2], whole.height, whole.width)
        return Compose.construct(shape, operators=tuple(parts)), box
