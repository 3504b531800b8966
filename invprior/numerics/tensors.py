"""Two helpers that keep operators free of devices, precisions and autograd's bookkeeping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

Map: TypeAlias = Callable[[Tensor], Tensor]


class Constant:
    """A fixed tensor in double precision, handed out on the device and in the precision of another.

    The master is never rounded, so an operator serves float32 and float64 images alike, on any
    device, each at its full precision; a copy is made once.
    """

    def __init__(self, master: Tensor) -> None:
        self.master = master
        self._copies: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def like(self, x: Tensor) -> Tensor:
        """Return the tensor on x's device and in x's precision, complex when the master is."""
        key = (x.device, x.dtype)
        if key not in self._copies:
            dtype = x.dtype.to_complex() if self.master.is_complex() else x.dtype
            with torch.inference_mode(False):  # else autograd could never use the copy
                self._copies[key] = self.master.to(x.device, dtype, copy=True)
        return self._copies[key]


def apply_linear(forward: Map, adjoint: Map, x: Tensor) -> Tensor:
    """Compute forward(x) so that backpropagation costs one call of the adjoint.

    Autograd would replay every slice and addition of `forward` instead, several times slower.
    Derivatives of any order, and forward-mode ones, are exact because the map is linear.
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
        return apply_linear(ctx.transposed, ctx.map, gradients[0]), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        return apply_linear(ctx.map, ctx.transposed, tangent)
