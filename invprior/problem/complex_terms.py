"""The priors of complex images on real and imaginary parts, in which a run works."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from torch import Tensor

from invprior.numerics.box import Box
from invprior.numerics.complex_parts import from_parts, parts
from invprior.problem.functionals import Functional, Penalty, Proximable
from invprior.registry.options import option_values
from invprior.registry.plugin import Plugin


def in_parts(functional: Functional) -> Functional:
    """Return R of the complex image whose parts are given, (B, 2 C, H, W), with the value, the prox or both of R.

    The parts keep lengths and the real part of inner products, so that the gradient and the prox are those of R.
    """
    made: Functional = _class_of(type(functional)).construct(functional)
    return made


@cache
def _class_of(cls: type[Functional]) -> Any:
    forms = tuple(
        mine
        for form, mine in ((Penalty, _PenaltyOfParts), (Proximable, _ProximableOfParts))
        if issubclass(cls, form)
    )
    # Of the same name, which messages print.
    return Plugin(cls.__name__, forms, {"__module__": cls.__module__})


class _OfParts(Functional):
    def __init__(self, base: Any) -> None:
        super().__init__()
        self.base = base
        self.default_weight, self.degree = base.default_weight, base.degree
        self.offset_invariant = base.offset_invariant

    def described(self) -> tuple[type, Mapping[str, Any]]:
        """Return the class and the options of R, for records."""
        return option_values(self.base)

    def rescaled(self, scale: float) -> Functional:
        """Return that of the rescaled R."""
        found = self.base.rescaled(scale)
        return self if found is self.base else in_parts(found)

    def restrict(self, box: Box) -> Functional:
        """Return that of the restricted R."""
        found = self.base.restrict(box)
        return self if found is self.base else in_parts(found)

    @property
    def stand_in(self) -> Functional:
        """That of the faster R."""
        found = self.base.stand_in
        return self if found is self.base else in_parts(found)

    @property
    def is_flat(self) -> bool:
        """Whether R is."""
        return bool(self.base.is_flat)


class _PenaltyOfParts(_OfParts, Penalty):
    def value(self, x: Tensor) -> Tensor:
        """Return R of the complex images, (B,)."""
        found: Tensor = self.base.value(from_parts(x))
        return found

    def gradient(self, x: Tensor) -> Tensor:
        """Return the parts of the gradient."""
        return parts(self.base.gradient(from_parts(x)))

    def lipschitz(self) -> float:
        """Return that of R."""
        return float(self.base.lipschitz())


class _ProximableOfParts(_OfParts, Proximable):
    def __init__(self, base: Any) -> None:
        super().__init__(base)
        self.convex, self.projects = base.convex, base.projects

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Return the parts of the prox."""
        return parts(self.base.prox(from_parts(v), tau))

    def degrees_of_freedom(self, v: Tensor, tau: float) -> float | None:
        """Return that of R."""
        found: float | None = self.base.degrees_of_freedom(from_parts(v), tau)
        return found
