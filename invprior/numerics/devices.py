"""Modules on the device and in the precision of a tensor."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def placed(module: M, like: Tensor) -> M:
    """Return a module on a tensor's device and in its precision.

    The module itself is returned when it fits already, and a copy otherwise: moving works in place and would change the
    caller's object. Complex tensors, such as transfer functions, stay complex, in the precision of `like`. Those of
    integers or booleans, such as masks, keep their dtype.
    """
    tensors = [*module.parameters(), *module.buffers()]
    if all(t.device == like.device and t.dtype == _dtype(t, like) for t in tensors):
        return module
    moved = copy.deepcopy(module)
    # `nn.Module.to` with a real dtype would drop the imaginary parts of complex buffers.
    moved._apply(lambda t: t.to(device=like.device, dtype=_dtype(t, like)))  # type: ignore[no-untyped-call]
    return moved


def _dtype(tensor: Tensor, like: Tensor) -> torch.dtype:
    """Return the dtype that a tensor has in the precision of another."""
    if tensor.is_complex():
        return like.dtype.to_complex()
    return like.dtype if tensor.is_floating_point() else tensor.dtype
