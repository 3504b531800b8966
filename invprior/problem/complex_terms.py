"""The priors of complex images on real and imaginary parts, in which a run works."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from invprior.numerics.box import Box
from invprior.numerics.complex_parts import from_parts, parts
from invprior.problem.data import DataTerm
from invprior.problem.functionals import (
    Functional,
    Output,
    Penalty,
    Proximable,
    Reparameterization,
)
from invprior.registry.options import option_values
from invprior.registry.plugin import Plugin

F = TypeVar("F", bound=Functional)

# Of the networks' parts, in units of a run. A smoothed estimate of undersampled data has up to a third less than the
# image itself, whose parts a network must reach.
REACH = 1.5


def in_parts(functional: F) -> F:
    """Return R of the complex image whose parts are given, (B, 2 C, H, W), in the forms of R.

    The parts keep lengths and the real part of inner products, so that the gradient and the prox are those of R. A
    network makes the parts as its channels.
    """
    return cast(F, _class_of(type(functional)).construct(functional))


@cache
def _class_of(cls: type[Functional]) -> Any:
    forms = tuple(mine for form, mine in _FORMS if issubclass(cls, form))
    # Of the same name, which messages print.
    return Plugin(cls.__name__, forms, {"__module__": cls.__module__})


class _OfParts(Functional):
    def __init__(self, base: Any) -> None:
        super().__init__()
        self.base = base
        self.default_weight, self.degree = base.default_weight, base.degree
        self.offset_invariant, self.convex = base.offset_invariant, base.convex

    def described(self) -> tuple[type, Mapping[str, Any]]:
        """Return the class and the options of R, for records."""
        return option_values(self.base)

    def rescaled(self, scale: float) -> Functional:
        """Return that of the rescaled R."""
        found: Functional = self.base.rescaled(scale)
        return self._of(found)

    def restrict(self, box: Box) -> Functional:
        """Return that of the restricted R."""
        found: Functional = self.base.restrict(box)
        return self._of(found)

    @property
    def stand_in(self) -> Functional:
        """That of the faster R."""
        found: Functional = self.base.stand_in
        return self._of(found)

    def _of(self, found: F) -> F:
        """Return another R on parts; itself for the same R."""
        return cast(F, self) if found is self.base else in_parts(found)

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
        self.projects = base.projects

    def prox(self, v: Tensor, tau: float) -> Tensor:
        """Return the parts of the prox."""
        return parts(self.base.prox(from_parts(v), tau))

    def degrees_of_freedom(self, v: Tensor, tau: float) -> float | None:
        """Return that of R."""
        found: float | None = self.base.degrees_of_freedom(from_parts(v), tau)
        return found


class _ReparameterizationOfParts(_OfParts, Reparameterization):
    def __init__(self, base: Any) -> None:
        super().__init__(base)
        self.default_solver, self.steps, self.members = (
            base.default_solver,
            base.steps,
            base.members,
        )
        self.stops_early, self.held_out, self.refit = base.stops_early, base.held_out, base.refit
        self.choices, self.solved_with = base.choices, base.solved_with
        self.sees_estimate = base.sees_estimate

    def leaner(self, device: torch.device) -> list[Reparameterization]:
        """Return the leaner networks for parts."""
        return [in_parts(network) for network in self.base.leaner(device)]

    def condition(self, data: DataTerm) -> Reparameterization:
        """Return the prior that is conditioned on the parts of the measurement."""
        found: Reparameterization = self.base.condition(data)
        return self._of(found)

    def reading(self, y: Tensor, noise: float) -> Reparameterization:
        """Return the prior that reads the parts of the measurement."""
        found: Reparameterization = self.base.reading(y, noise)
        return in_parts(found)

    @property
    def sees_measurement(self) -> bool:
        """Whether the network's input is the measurement."""
        found: bool = self.base.sees_measurement
        return found

    @property
    def kept_offset(self) -> Tensor | None:
        """That of the network, in the parts of the measurements."""
        kept: Tensor | None = self.base.kept_offset
        return kept

    def fit_all(self) -> None:
        """Prepare the network."""
        self.base.fit_all()

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Return that of the network."""
        size: tuple[int, int] = self.base.input_size(height, width)
        return size

    def build(self, x0: Tensor, generator: torch.Generator) -> nn.Module:
        """Make a fresh network."""
        return _Signed(self.base.build((x0 / REACH + 1.0) / 2.0, generator))


class _Signed(nn.Module):
    """Takes the images of a network, in [0, 1], to parts on both sides of 0."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *given: Tensor) -> Tensor | Output:
        found: Tensor | Output = self.inner(*given)
        if isinstance(found, Output):
            return Output(_signed(found.x), found.offset)
        return _signed(found)


def _signed(x: Tensor) -> Tensor:
    return REACH * (2.0 * x - 1.0)


_FORMS = (
    (Penalty, _PenaltyOfParts),
    (Proximable, _ProximableOfParts),
    (Reparameterization, _ReparameterizationOfParts),
)
