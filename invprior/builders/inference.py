"""Modules made under `torch.inference_mode`, whose tensors autograd cannot use."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def differentiable(module: M) -> M:
    """Return the module; a copy when it holds tensors made in inference mode, which autograd cannot save.

    Call it outside of inference mode. The module itself stays as it is.
    """
    # A deep copy clones every tensor, and a clone that is made outside of inference mode is a normal one.
    return copy.deepcopy(module) if _holds_inference_tensors(module, set()) else module


def _holds_inference_tensors(value: Any, seen: set[int]) -> bool:
    if isinstance(value, Tensor):
        return value.is_inference()
    if id(value) in seen:
        return False
    seen.add(id(value))
    # Operators also keep tensors outside of their buffers, such as a filter's weights.
    if isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, list | tuple):
        parts = list(value)
    else:
        parts = list(getattr(value, "__dict__", {}).values())
    return any(_holds_inference_tensors(part, seen) for part in parts)
