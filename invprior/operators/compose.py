"""Operators one after the other."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from invprior.errors import IncompatibleError, OptionError
from invprior.numerics.box import Box
from invprior.operators.base import LinearOperator, Operator, Recipe, Shape


class Chain(LinearOperator):
    """Linear operators that know their image's size, first one first; `A @ B` is Chain(B, A)."""

    def __init__(self, *operators: Operator) -> None:
        if not operators:
            raise OptionError("The operators of compose must be one or more; got none.")
        for operator in operators:
            if not isinstance(operator, LinearOperator):
                raise IncompatibleError(
                    f"{type(operator).__name__} is not linear, and only linear operators compose. "
                    "Derive it from LinearOperator, or write the whole chain as one Operator."
                )
        for first, second in pairwise(operators):
            if first.measurement_shape != second.image_shape:
                raise IncompatibleError(
                    f"{type(second).__name__} takes images of shape {second.image_shape}; "
                    f"{type(first).__name__} before it makes {first.measurement_shape}. "
                    "Build it for that shape."
                )
        super().__init__(operators[0].image_shape, operators[-1].measurement_shape)
        self._stages = nn.ModuleList(operators)

    @property
    def operators(self) -> tuple[LinearOperator, ...]:
        """The operators, the first applied first."""
        return tuple(self._stages)  # type: ignore[arg-type]

    @property
    def observation_mask(self) -> Tensor | None:
        """What the last operator says."""
        return self.operators[-1].observation_mask

    def described(self) -> tuple[type, dict[str, Any]]:
        """What provenance records: `compose` of these operators, all their options filled in."""
        return Compose, {"operators": self.operators}

    def forward(self, x: Tensor) -> Tensor:
        """Apply all, the first first."""
        for operator in self.operators:
            x = operator(x)
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply all adjoints, the last first."""
        for operator in reversed(self.operators):
            y = operator.adjoint(y)
        return y

    @property
    def alignment(self) -> int:
        """The product of the alignments, as each is counted in its own operator's pixels."""
        return math.prod(operator.alignment for operator in self.operators)

    @property
    def halo(self) -> int:
        """The sum of the reaches, in pixels of x."""
        total, scale = 0, 1
        for operator in self.operators:
            total += scale * operator.halo
            scale *= operator.alignment
        return total

    def restrict(self, box: Box) -> tuple[Chain, Box] | None:
        """The restriction of each, to the box that the one before it makes."""
        parts = []
        for operator in self.operators:
            part = operator.restrict(box)
            if part is None:
                return None
            parts.append(part[0])
            box = part[1]
        return Chain(*parts), box

    def norm(self) -> float:
        """The product of the norms, which bounds the chain's."""
        return math.prod(operator.norm() for operator in self.operators)


class Compose(Chain):
    """Linear operators one after the other, such as blur and then downsample.

    Args:
        operators: the operators, the first applied first.
    """

    def __init__(self, image_shape: Shape, *, operators: tuple[Recipe, ...]) -> None:
        bound: list[Operator] = []
        for recipe in operators:
            bound.append(recipe(bound[-1].measurement_shape if bound else image_shape))
        super().__init__(*bound)

    @classmethod
    def image_shape_for(cls, measurement_shape: Shape, **options: Any) -> Shape:
        """Run the chain backwards, from the last operator to the first."""
        for recipe in reversed(options["operators"]):
            measurement_shape = recipe.image_shape_for(measurement_shape)
        return measurement_shape
