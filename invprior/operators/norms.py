"""Norms of operators, which take a hundred applications of each and are asked for several times in a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

Content: TypeAlias = tuple[list[object], list[Tensor]]

_MODULE = frozenset(vars(nn.Module()))  # torch's own attributes of every module
# The tensors too, so that none of them is freed and another takes its place unseen.
_KEPT: WeakKeyDictionary[nn.Module, tuple[Content, float]] = WeakKeyDictionary()


def kept_norm(operator: nn.Module, compute: Callable[[], float]) -> float:
    """Return an operator's norm, computed again only if something in the operator has changed.

    Args:
        operator: the operator.
        compute: computes the norm.
    """
    content = _content(operator)
    if content is None:
        return compute()
    kept = _KEPT.get(operator)
    if kept is not None and kept[0][0] == content[0]:
        return kept[1]
    found = compute()
    _KEPT[operator] = content, found
    return found


def _content(operator: nn.Module) -> Content | None:
    """Return what tells whether an operator has changed, and its tensors; None where it holds other things too."""
    if next(operator.children(), None) is not None:  # they have attributes of their own
        return None
    own = ((name, value) for name, value in vars(operator).items() if name not in _MODULE)
    found, tensors = list[object](), list[Tensor]()
    for name, value in [*operator.named_parameters(), *operator.named_buffers(), *own]:
        parts = _parts(value) if isinstance(value, Tensor) else None
        if parts is not None:
            found += [(name, id(value), p.data_ptr(), p._version, p.dtype) for p in parts]
            tensors += [value, *parts]
        elif _is_plain(value):
            found.append((name, value))
        else:
            return None
    return found, tensors


def _parts(tensor: Tensor) -> list[Tensor] | None:
    """Return the tensors in memory that a tensor consists of, itself if it is dense; None if a change stays unseen."""
    if tensor.is_inference():
        return None
    if tensor.layout == torch.strided:
        return [tensor]
    # A sparse tensor has no memory of its own, and its version misses changes of its values.
    if tensor.layout == torch.sparse_coo:
        return [tensor._indices(), tensor._values()]
    if tensor.layout == torch.sparse_csr:
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    return None


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(_is_plain(v) for v in value)
    return value is None or isinstance(value, int | float | str | torch.dtype | torch.device)
