"""Modules on the device and in the precision of a tensor."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def placed(module: M, like: Tensor) -> M:
    """Return a module on a tensor's device and in its dtype.

    The module itself is returned when it fits already, and a copy otherwise: `nn.Module.to` works
    in place and would change the caller's object.
    """
    tensors = [*module.parameters(), *module.buffers()]
    same = all(
        # Buffers of integers or booleans, such as masks, keep their dtype.
        t.device == like.device and (t.dtype == like.dtype or not t.is_floating_point())
        for t in tensors
    )
    return module if same else copy.deepcopy(module).to(device=like.device, dtype=like.dtype)
