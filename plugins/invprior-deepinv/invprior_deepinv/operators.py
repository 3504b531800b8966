"""deepinv's physics as forward operators, without their noise models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from invprior import IncompatibleError, LinearOperator, Operator, OptionError
from invprior.operators.base import Shape
from invprior.registry.objects import object_named
from invprior_deepinv.library import physics as library


class DeepinvNonlinear(Operator):
    """A non-linear forward model of deepinv, for `adam` and other solvers that need only its gradient.

    Args:
        physics: deepinv's object, or a function that returns it for a shape (C, H, W); as text, `module:object`. The
            module may be a file in the current folder.
        image: the shape of x, (C, H, W); needed when only a measurement of another shape is given.
    """

    _required: ClassVar[type[library.Physics]] = library.Physics

    def __init__(
        self,
        image_shape: Shape,
        *,
        physics: str | library.Physics | Callable[[Shape], library.Physics],
        image: tuple[int, int, int] | None = None,
    ) -> None:
        made = _made(physics, tuple(image_shape))
        super().__init__(image_shape, _measured(made, tuple(image_shape)))
        if not isinstance(made, self._required):
            raise OptionError(
                f'The option "physics" of deepinv must be linear; got {type(made).__name__}. '
                "Use the operator deepinv-nonlinear."
            )
        # The record of a run names a function by its place in a module.
        named = isinstance(physics, str | library.Physics)
        self.physics = physics if named else f"{physics.__module__}:{physics.__qualname__}"
        self.image = image
        self.model = made

    @classmethod
    def image_shape_for(cls, measurement_shape: Shape, **options: Any) -> Shape:
        """Return the image's shape: the option `image`, else deepinv's own, else the measurement's.

        Raises:
            OptionError: none of these gives a measurement of this shape.
        """
        physics = object_named(options["physics"], "physics", "deepinv")
        given = options.get("image")
        known = getattr(physics, "img_size", None)
        for guess in [given] if given else [known, measurement_shape]:
            try:
                if guess and _measured(_made(physics, tuple(guess)), tuple(guess)) == tuple(
                    measurement_shape
                ):
                    return tuple(guess)
            except IncompatibleError:
                continue
        raise OptionError(
            f'The option "image" of deepinv must be the shape (C, H, W) of an image whose measurement has the shape '
            f"{tuple(measurement_shape)}; {'got ' + str(given) if given else 'none was given'}."
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply A, without noise."""
        return self._each(self.model.A, x)

    def _each(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Apply a function in the precision of deepinv's own tensors, as it accepts no other."""
        own = [t.dtype for t in (*self.parameters(), *self.buffers()) if t.is_floating_point()]
        return function(x.to(own[0]) if own else x).to(x.dtype)


class Deepinv(DeepinvNonlinear, LinearOperator):
    """A linear forward model of deepinv, with deepinv's own adjoint.

    `invprior check` reports whether that adjoint is right, and how it is wrong if not. deepinv's own test of the
    adjoint returns a number.
    """

    _required = library.LinearPhysics

    def adjoint(self, y: Tensor) -> Tensor:
        """Apply A^H, as deepinv computes it."""
        return self._each(self.model.A_adjoint, y)


def _made(physics: Any, image_shape: Shape) -> library.Physics:
    found = object_named(physics, "physics", "deepinv")
    made = (
        found if isinstance(found, library.Physics) or not callable(found) else found(image_shape)
    )
    if not isinstance(made, library.Physics):
        raise OptionError(
            f'The option "physics" of deepinv must be one of its Physics, or a function that returns one for a shape '
            f"(C, H, W); got {type(made).__name__}."
        )
    return made


def _measured(physics: library.Physics, image_shape: Shape) -> Shape:
    """Return the shape of a measurement, by measuring a black image."""
    tensors = [*physics.parameters(), *physics.buffers()]
    where = tensors[0].device if tensors else None
    try:
        with torch.no_grad():
            y = physics.A(torch.zeros(1, *image_shape, device=where))
    except Exception as error:  # deepinv has no error type of its own
        raise IncompatibleError(
            f"{type(physics).__name__} of deepinv accepts no image of shape {image_shape} "
            f"({type(error).__name__}: {error}). Make it for this size."
        ) from error
    if not isinstance(y, Tensor) or y.is_complex():
        kind = "complex values" if isinstance(y, Tensor) else f"a {type(y).__name__}"
        raise OptionError(
            f"{type(physics).__name__} of deepinv measures {kind}; a measurement must be one real tensor."
        )
    return tuple(y.shape[1:])
