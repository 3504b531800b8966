"""The range of intensities that the type of the user's values declares."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from invprior.errors import OptionError
from invprior.io.images import TOPS
from invprior.operators.base import Operator
from invprior.problem.units import PHOTOGRAPH, DataRange

# Fraction of a type's range that a photograph uses at least. A camera of 12 bits in a type of 16 uses a sixteenth.
_USED = 0.25


def given_range(value: Any, top: int | None) -> DataRange | None:
    """Return the option `data_range` as a range of the values as read; None when it is absent.

    Args:
        value: the intensities of black and of white, in the units of the file or the array.
        top: the integer that is read as 1; None for values that are read unchanged.

    Raises:
        OptionError: it is not two finite numbers in ascending order, or cannot be a range of integers.
    """
    if value is None or isinstance(value, DataRange):
        return value
    try:
        low, high = (float(v) for v in value)
    except (TypeError, ValueError):
        raise OptionError(
            'The option "data_range" (--range) must be two numbers, the intensities of black and of white; '
            f"got {value!r}."
        ) from None
    if top is None:
        return DataRange(low, high)
    if high - low <= 1 < top:
        raise OptionError(
            f'The option "data_range" (--range) is in the units of the integers, 0 to {top}; got {low:g} and {high:g}. '
            f"Give for example 0 and {top}."
        )
    return DataRange(low / top, high / top)


def top_of(y: Any) -> int | None:
    """Return the integer of an array or a tensor that is read as 1; None for values that are read unchanged."""
    if isinstance(y, Tensor):
        return TOPS.get(str(y.dtype).removeprefix("torch."))
    return TOPS.get(np.asanyarray(y).dtype.name)


def photograph_range(y: Tensor, operator: Operator | None = None) -> DataRange | None:
    """Return [0, 1] for integers that are read as [0, 1], if they use a fair part of it; else None.

    Args:
        y: the values as read, (B, ...); entries that are not finite do not count.
        operator: the forward operator of which y is a measurement; None if y is the image itself.
    """
    known = y[y.isfinite()]
    if not known.numel() or float(known.max() - known.min()) < _USED:
        return None
    return PHOTOGRAPH if operator is None or _keeps_constants(operator, y) else None


@torch.no_grad()
def _keeps_constants(operator: Operator, y: Tensor) -> bool:
    """Return whether A maps ones to ones; the range of a projection, for example, is not that of its image."""
    tensors = (*operator.parameters(), *operator.buffers())
    like = next((t for t in tensors if t.is_floating_point()), y)
    ones = torch.ones(1, *operator.image_shape, dtype=like.dtype, device=like.device)
    # Near a border, or where a pixel is missing, it may be less.
    return abs(float(operator(ones).max()) - 1) < 0.01
