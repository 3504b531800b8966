"""Operators built at sizes to test them at, each with test tensors."""

from __future__ import annotations

import copy
import math
from contextlib import suppress
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
# Of each row the first that an operator accepts: many pixels, and a long side. 0 stands for its number of channels.
_LARGE = (
    ((1, 137, 144), (0, 137, 144), (1, 144, 144), (0, 144, 144)),
    ((1, 520, 36), (0, 520, 36)),
)
_MOST_BYTES = 256  # for each pixel: a mask or a few images, but no matrix


@dataclass(frozen=True)
class SizedOperator:
    """An operator built for one image size."""

    operator: Operator

    @property
    def x(self) -> Tensor:
        """Two images of its size, complex if its images are."""
        shape = self.operator.image_shape
        x = images(2, *shape) if len(shape) > 1 else noise(2, *shape)
        return torch.complex(x, noise(2, *shape, seed=5)) if self.operator.complex_images else x

    @cached_property
    def y(self) -> Tensor:
        """Two random measurements, complex if the operator's are."""
        clean = copy.deepcopy(self.operator)(self.x)  # nothing may be left behind in the operator
        y = noise(2, *self.operator.measurement_shape, seed=2).to(clean)
        # Its real and imaginary parts differ, so that a missing conjugate shows.
        return y * (0.6 + 0.8j) + 1j * y.flip(-1) if clean.is_complex() else y

    @property
    def linear(self) -> LinearOperator:
        """The operator, typed as linear; only checks of linear operators read it."""
        assert isinstance(self.operator, LinearOperator)
        return self.operator

    def stretch(self, steps: int) -> float:
        """Return a lower bound on ||A|| by power iteration; it is one even if the adjoint is wrong."""
        a, v, found = copy.deepcopy(self.linear), noise(1, *self.operator.image_shape, seed=4), 0.0
        for _ in range(steps):
            length = float(v.norm())
            if length == 0.0:
                break
            v = v / length
            image = a(v)
            found = max(found, float(image.norm()))
            v = a.adjoint(image)
        return found

    @cached_property
    def unit(self) -> float:
        """The size of A^H A, the unit of a damping; a number alone would be strong for one operator only."""
        return self.stretch(5) ** 2 or 1.0

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


def large(obj: Operator | Recipe) -> tuple[SizedOperator, ...]:
    """Return operators of large images, of many pixels and with a long side, as far as a recipe accepts such sizes.

    An operator may take another way for them: by tiles, by the FFT, by chunks of rows. It is empty for an operator that
    stores a matrix, which would not fit into memory, and for one of a fixed size.
    """
    if isinstance(obj, Operator):
        return ()
    small = sized(obj)[0].operator
    # Attributes count too: a matrix that is no buffer is as large.
    held = [value for module in small.modules() for value in vars(module).values()]
    arrays = [*small.buffers(), *(value for value in held if hasattr(value, "nbytes"))]
    if sum(a.nbytes for a in arrays) > _MOST_BYTES * math.prod(small.image_shape):
        return ()
    found = []
    for shapes in _LARGE:
        for channels, *sides in shapes:
            with suppress(InvpriorError):
                shape = (channels or small.image_shape[0], *sides)
                found.append(SizedOperator(obj(shape).double()))
                break
    return tuple(found)
