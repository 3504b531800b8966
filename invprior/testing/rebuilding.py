"""Objects built twice from the same options, which must not differ."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from invprior.errors import InvpriorError
from invprior.operators.base import Operator, Recipe
from invprior.registry.options import option_values, options_of
from invprior.testing.report import Fault
from invprior.testing.sized_operators import sized


def built_again(obj: Any) -> Any | None:
    """Build an object again from its own options; return None when they alone do not make it.

    Raises:
        Fault: its own options are refused.
    """
    cls: Any
    cls, values = option_values(obj)
    before = (obj.image_shape,) if isinstance(obj, Operator) else ()
    positional = [
        p
        for p in list(inspect.signature(cls.__init__).parameters.values())[1:]
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty
    ]
    if len(positional) != len(before):
        return None  # a joint stopping rule needs its parts
    try:
        return cls(*before, **values)
    except InvpriorError as error:
        raise Fault(f"it cannot be built again from its own options: {error}") from None


def twins(obj: Any) -> tuple[Any, Any] | None:
    """Return two objects that must give the same results; None when they cannot be had.

    Raises:
        Fault: its own options are refused.
    """
    if isinstance(obj, Recipe):
        return sized(obj)[0].operator, sized(obj)[0].operator
    cls, _ = option_values(obj)
    lost = any(not hasattr(obj, o.name) for o in options_of(cls))
    # Parameters may have been trained or loaded since, and an option that is not stored cannot be given again.
    if lost or (isinstance(obj, nn.Module) and any(True for _ in obj.parameters())):
        return None
    again = built_again(obj)
    if isinstance(obj, nn.Module) and isinstance(again, nn.Module):
        again.to(next((b.dtype for b in obj.buffers() if b.is_floating_point()), torch.float64))
    return None if again is None else (obj, again)
