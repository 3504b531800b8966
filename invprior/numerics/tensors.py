"""Constants for any device and precision, and linear maps that autograd sees as one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

Map: TypeAlias = Callable[[Tensor], Tensor]


class Constant:
    """A fixed tensor in double precision, with copies for other devices and precisions.

    The master is never rounded. One operator therefore serves float32 and float64 images on any
    device, each at its full precision. Each copy is made once.
    """

    def __init__(self, master: Tensor) -> None:
        self.master = master
        # Keyed by x's dtype, also for complex masters, so that a look-up converts nothing.
        self._copies: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def like(self, x: Tensor) -> Tensor:
        """Return the tensor on x's device and in x's precision; complex when the master is."""
        key = (x.device, x.dtype)
        if key not in self._copies:
            dtype = x.dtype.to_complex() if self.master.is_complex() else x.dtype
            # Autograd cannot use tensors made in inference mode, and the copy outlives the mode.
            with torch.inference_mode(False):
                self._copies[key] = self.master.to(x.device, dtype, copy=True)
        return self._copies[key]


def apply_linear(forward: Map, adjoint: Map, x: Tensor) -> Tensor:
    """Return forward(x); backpropagation then costs one call of the adjoint.

    Otherwise autograd would replay every slice and addition of `forward`, which is several times
    slower. Derivatives of any order and in forward mode are exact, because the map is linear.
    """
    result: Tensor = _Linear.apply(x, forward, adjoint)  # type: ignore[no-untyped-call]
    return result


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, forward: Map, adjoint: Map) -> Tensor:
        return forward(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Map, Map], output: Tensor) -> None:
        _, ctx.map, ctx.transposed = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        # Through apply_linear again, with the roles exchanged, for derivatives of higher order.
        return apply_linear(ctx.transposed, ctx.map, gradients[0]), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return apply_linear(ctx.map, ctx.transposed, tangent)
