"""Operators built at sizes to test them at, each with test tensors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from invprior.errors import InvpriorError
from invprior.operators.base import LinearOperator, Operator, Recipe
from invprior.testing.report import Fault
from invprior.testing.sample_tensors import images, noise

# The first two that an operator accepts are used. Sides that differ and are odd come first, as they reveal most;
# the rest are for operators that need one channel, equal sides, or multiples of a power of 2.
_SIZES = ((3, 16, 15), (1, 13, 18), (3, 16, 16), (1, 16, 16), (1, 32, 32))


@dataclass(frozen=True)
class SizedOperator:
    """An operator built for one image size."""

    operator: Operator

    @property
    def x(self) -> Tensor:
        """Two images of its size."""
        shape = self.operator.image_shape
        return images(2, *shape) if len(shape) > 1 else noise(2, *shape)

    @cached_property
    def y(self) -> Tensor:
        """Two random measurements, complex if the operator's are."""
        clean = self.operator(self.x)
        y = noise(2, *self.operator.measurement_shape, seed=2).to(clean)
        # Its real and imaginary parts differ, so that a missing conjugate shows.
        return y * (0.6 + 0.8j) + 1j * y.flip(-1) if clean.is_complex() else y

    @property
    def linear(self) -> LinearOperator:
        """The operator, typed as linear; only checks of linear operators read it."""
        assert isinstance(self.operator, LinearOperator)
        return self.operator

    def autograd(self) -> Tensor:
        """Return autograd's gradient of Re <A(x), y> at x.

        Raises:
            RuntimeError: autograd does not pass through the operator.
        """
        x = self.x.requires_grad_()
        product = (self.y.conj() * self.operator(x)).real.sum()
        (gradient,) = torch.autograd.grad(product, x)
        return gradient


def sized(obj: Operator | Recipe) -> tuple[SizedOperator, ...]:
    """Return the operator, in float64; for a recipe, operators of two sizes that it accepts.

    Raises:
        Fault: it refuses images of every size that is tried.
    """
    if isinstance(obj, Operator):
        return (SizedOperator(obj),)
    found: list[SizedOperator] = []
    refusals = []
    for size in _SIZES:
        try:
            found.append(SizedOperator(obj(size).double()))
        except InvpriorError as error:
            refusals.append(f"{size}: {error}")
        if len(found) == 2:
            break
    if not found:
        raise Fault(
            f"it accepts no image of the sizes tried; the last refusal was {refusals[-1]} "
            "Check an instance of a size that it accepts"
        )
    return tuple(found)
