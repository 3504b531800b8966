"""The base classes of forward operators, their chains, and `Recipe`, an operator without a size."""

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
from invprior.operators.norms import kept_norm
from invprior.registry.options import plain_name, short_repr
from invprior.registry.plugin import Plugin, validate, wrap_plugin_errors

Shape: TypeAlias = tuple[int, ...]  # without the batch dimension: (C, H, W) for images


class Operator(nn.Module, ABC, metaclass=Plugin):
    """A forward operator y = A(x), perhaps non-linear.

    The constructor takes `image_shape` first, then keyword-only options.

    Attributes:
        image_shape: shape of x without the batch dimension, (C, H, W).
        measurement_shape: shape of y without the batch dimension.
        notes: what the user should know about the operator, one sentence each; each run reports them.
        measurement_axes: number of dimensions of y without the batch dimension: 3 for (C, H, W), 1 for a vector (m,).
        measures_pictures: whether y is a picture of x, which a sinogram is not; None to find out by a trial.
        takes_complex: whether A, if it is linear, also takes complex images and measurements.
        complex_images: whether x and y are complex, whatever was given, as in magnetic resonance imaging. With other
            operators x has the type of y, which may be complex if the operator `takes_complex` images.
    """

    plugin_group: ClassVar[str] = "operators"
    measurement_axes: ClassVar[int] = 3
    measures_pictures: ClassVar[bool | None] = None
    takes_complex: bool = False
    complex_images: bool = False
    image_shape: Shape
    measurement_shape: Shape
    notes: tuple[str, ...] = ()

    def __init__(self, image_shape: Shape, measurement_shape: Shape | None = None) -> None:
        super().__init__()
        self.image_shape = tuple(image_shape)
        self.measurement_shape = tuple(measurement_shape or image_shape)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Apply A to each image of a batch: (B, *image_shape) to (B, *measurement_shape)."""

    if TYPE_CHECKING:  # torch types a module's call as Any

        def __call__(self, x: Tensor) -> Tensor: ...  # noqa: D102

    @property
    def observation_mask(self) -> Tensor | None:
        """True where y carries data, boolean, broadcastable to (B, *measurement_shape); None for all."""
        return None

    def noise_view(self, y: Tensor) -> Tensor | None:
        """Return those values of y from which its noise can be told, arranged for the estimate.

        An image is (1, C, H, W), and other measurements have smooth rows, (1, ..., length). None if no part of y tells
        its noise. By default it is y.

        Args:
            y: the measurement, (1, *measurement_shape).
        """
        return y

    def estimate(self, y: Tensor) -> Tensor | None:
        """Return a first estimate of x from y, (1, *image_shape), where A is not linear; None, the default, for none.

        Args:
            y: the measurement, (1, *measurement_shape).
        """
        return None

    @property
    def is_identity(self) -> bool:
        """Whether A x = x, so that only noise is to remove."""
        return False

    @property
    def is_mask(self) -> bool:
        """Whether A x is x where `observation_mask` is true and 0 elsewhere."""
        return False

    if TYPE_CHECKING:  # an override names its own options, which mypy accepts only for this type

        @classmethod
        def image_shape_for(cls, *args: Any, **options: Any) -> Shape: ...  # noqa: D102

    else:

        @classmethod
        def image_shape_for(cls, measurement_shape: Shape, **options: Any) -> Shape:
            """Return the shape of x for a shape of y, by default the same; an override names the options it needs."""
            return measurement_shape

    def __repr__(self) -> str:
        return short_repr(self, self.image_shape)

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Recipe:
        """Check the options now; the operator is made when the image's size is known."""
        return Recipe(cls, options)


class LinearOperator(Operator):
    """A linear forward operator; every method but `forward` has a default, exact but not always fast."""

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^H: (B, *measurement_shape) to (B, *image_shape); by autograd unless overridden."""
        # For a linear A, the derivative is the same at every x, so 0 will do.
        with torch.enable_grad():
            x = y.new_zeros(y.shape[0], *self.image_shape).requires_grad_()
            (result,) = torch.autograd.grad(self(x), x, y)
        return result

    def normal(self, x: Tensor) -> Tensor:
        """Apply A^H A: (B, *image_shape) to the same shape."""
        return self.adjoint(self(x))

    @property
    def direct(self) -> bool:
        """Whether `solve_damped` has a closed form, about as cheap as `normal`; else it iterates."""
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

        A^H M (A x - y) is then the gradient of a misfit that weights all components in the range of A alike.

        Args:
            y: (B, *measurement_shape).
            damping: positive.
        """
        return self.solve_damped(self.adjoint(y), damping)

    def norm(self) -> float:
        """Return an upper bound on the spectral norm ||A||; by the Lanczos method unless overridden.

        It is kept until something in the operator changes, as a run asks for it several times.
        """
        return kept_norm(self, self._spectral_norm)

    def _spectral_norm(self) -> float:
        tensors = [*self.parameters(), *self.buffers()]
        device = tensors[0].device if tensors else None
        dtype = next((t.dtype for t in tensors if t.is_floating_point()), torch.get_default_dtype())
        dtype = dtype.to_complex() if self.complex_images else dtype
        like = torch.zeros(1, *self.image_shape, device=device, dtype=dtype)
        return spectral_norm(self.normal, like)

    def __matmul__(self, inner: LinearOperator) -> LinearOperator:
        """Return the chain A B, which applies B first."""
        # Not validated: the option's type is recipes, and these operators exist already.
        made: LinearOperator = Compose.construct(inner.image_shape, operators=(inner, self))
        return made


class LocalOperator(Operator):
    """An operator each of whose measurements depends on a neighbourhood of the image, as tiles need.

    Derive from it beside `LinearOperator`, and define `restrict`.
    """

    @property
    def alignment(self) -> int:
        """The boxes of `restrict` begin and end at multiples of this, in pixels."""
        return 1

    @property
    def halo(self) -> int:
        """The number of pixels on each side of its own that a measurement depends on."""
        return 0

    @abstractmethod
    def restrict(self, box: Box) -> tuple[Operator, Box]:
        """Restrict A to a box of the image.

        Within `halo` of the box's border the restriction may differ from A, since it lacks the pixels beyond.

        Args:
            box: a box inside x, its sides at multiples of `alignment` or at the image's border.

        Returns:
            The operator on images of the box's size, and the corresponding box of y.

        Raises:
            IncompatibleError: the operator does not act locally with its options.
        """


@dataclass(frozen=True)
class Recipe:
    """An operator's class and its checked options, before the image's size is known."""

    plugin_group: ClassVar[str] = "operators"
    operator: type[Operator]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:  # checked once, not for every size
        object.__setattr__(self, "options", validate(self.operator, dict(self.options)))

    def __call__(self, image_shape: Shape) -> Operator:
        """Make the operator for images of a shape, (C, H, W); a crash of its constructor is a PluginError."""
        with wrap_plugin_errors(self.operator):
            made: Operator = self.operator.construct(tuple(image_shape), **self.options)
            return made

    def for_measurement(self, measurement_shape: Shape) -> Operator:
        """Make the operator for measurements of a shape, (C, H, W)."""
        return self(self.image_shape_for(measurement_shape))

    @property
    def measurement_axes(self) -> int:
        """Number of dimensions of y without the batch dimension; that of its last operator for a chain."""
        inner = self.options.get("of")
        if isinstance(inner, Recipe):  # whose measurements it changes one by one
            return inner.measurement_axes
        chain = self.options.get("operators", ()) if issubclass(self.operator, Compose) else ()
        return chain[-1].measurement_axes if chain else self.operator.measurement_axes

    def described(self) -> tuple[type, Mapping[str, Any]]:
        """Return the class and the options, from which `registry.describe` makes the spec."""
        return self.operator, self.options

    def image_shape_for(self, measurement_shape: Shape) -> Shape:
        """Return the shape of x for a shape of y."""
        with wrap_plugin_errors(self.operator):
            return self.operator.image_shape_for(tuple(measurement_shape), **self.options)


class Compose(LinearOperator, LocalOperator):
    """A chain of linear operators, such as a blur and then a downsampling; `A @ B` makes one.

    Args:
        operators: the operators; the first one is applied first.
    """

    def __init__(self, image_shape: Shape, *, operators: tuple[Recipe, ...]) -> None:
        if not operators:
            raise OptionError("The operators of compose must be one or more; got none.")
        stages, shape = list[Operator](), tuple(image_shape)
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
        self._stages = nn.ModuleList(stages)  # moves to a device with the chain
        self.notes = tuple(note for stage in stages for note in stage.notes)

    @classmethod
    def image_shape_for(cls, measurement_shape: Shape, *, operators: tuple[Recipe, ...]) -> Shape:
        """Follow the shapes backwards, from the last operator to the first."""
        for recipe in reversed(operators):
            measurement_shape = recipe.image_shape_for(measurement_shape)
        return measurement_shape

    @property
    def takes_complex(self) -> bool:  # type: ignore[override]
        """Whether every operator does."""
        return all(operator.takes_complex for operator in self.operators)

    @property
    def complex_images(self) -> bool:  # type: ignore[override]
        """Whether those of any operator are."""
        return any(operator.complex_images for operator in self.operators)

    @property
    def operators(self) -> tuple[LinearOperator, ...]:
        """The operators; the first one is applied first."""
        return tuple(self._stages)  # type: ignore[arg-type]

    @property
    def observation_mask(self) -> Tensor | None:
        """The mask of the last operator."""
        return self.operators[-1].observation_mask

    def noise_view(self, y: Tensor) -> Tensor | None:
        """Return the view of the last operator."""
        return self.operators[-1].noise_view(y)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the operators in order."""
        for operator in self.operators:
            x = operator(x)
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply the adjoints in reverse order."""
        for operator in reversed(self.operators):
            y = operator.adjoint(y)
        return y

    def norm(self) -> float:
        """Return the product of the norms, an upper bound."""
        # Each norm is often known exactly; a bound of the chain would take iterations.
        return math.prod(operator.norm() for operator in self.operators)

    @property
    def alignment(self) -> int:
        """The product of the alignments, each of which counts in the pixels of its own operator."""
        return math.prod(o.alignment for o in self.operators if isinstance(o, LocalOperator))

    @property
    def halo(self) -> int:
        """The sum of the halos, each scaled to pixels of x."""
        total, scale = 0, 1
        for operator in self.operators:
            if isinstance(operator, LocalOperator):
                total += scale * operator.halo
                scale *= operator.alignment
        return total

    def restrict(self, box: Box) -> tuple[Compose, Box]:
        """Restrict each operator to the box that the previous one returns."""
        whole, parts = box, []
        for operator in self.operators:
            if not isinstance(operator, LocalOperator):
                raise IncompatibleError(f"{plain_name(type(operator))} does not act locally.")
            part, box = operator.restrict(box)
            parts.append(part)
        shape = (*self.image_shape[:-2], whole.height, whole.width)
        return Compose.construct(shape, operators=tuple(parts)), box
