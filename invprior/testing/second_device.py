"""A device to try plugins on: an accelerator where there is one, else one that is made believe.

The pretended one holds its numbers in the CPU's memory but calls its device `meta`, and refuses to mix with tensors of
the CPU as a GPU would. So a machine without a GPU can tell what would fail on one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

_AWAY = torch.device("meta")


class MixedDevices(RuntimeError):
    """An operation met tensors of two devices."""


class Unknown(RuntimeError):
    """The pretended device cannot do what a true one could."""


@contextmanager
def elsewhere() -> Iterator[Callable[[Any], Any]]:
    """Make another device usable; yields a function that copies a tensor, or an object with its tensors, to it.

    An object's tensors are those that a module's `.to(device)` would move: parameters and buffers.

    Raises:
        MixedDevices: what was done inside mixes devices.
        Unknown: it failed on the pretended device for another reason, which says nothing about a true one.
    """
    if torch.cuda.is_available():
        try:
            yield lambda value: copy.deepcopy(value).to("cuda") if _movable(value) else value
        except RuntimeError as error:
            if "same device" in str(error):
                raise MixedDevices(str(error).partition("\n")[0]) from None
            raise
        return
    try:
        with _Constants(), _Pretence():  # type: ignore[no-untyped-call]
            yield _pretended
    except MixedDevices:
        raise
    except (RuntimeError, NotImplementedError, TypeError) as error:
        raise Unknown(str(error).partition("\n")[0]) from None


def _movable(value: Any) -> bool:
    return isinstance(value, Tensor | nn.Module)


def _pretended(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _Away(value.detach().clone())
    if not isinstance(value, nn.Module):
        return value
    with torch.utils._python_dispatch._disable_current_modes():
        moved = copy.deepcopy(value)
    for module in moved.modules():
        for name, tensor in module.named_buffers(recurse=False):
            module._buffers[name] = _Away(tensor)
        for name, tensor in list(module.named_parameters(recurse=False)):
            away = _Away(tensor.detach())
            module._parameters[name] = nn.Parameter(away, requires_grad=tensor.requires_grad)
    return moved


class _Away(Tensor):
    """A tensor of the pretended device; `numbers` holds its numbers."""

    numbers: Tensor

    @staticmethod
    def __new__(cls, numbers: Tensor) -> _Away:
        away: _Away = torch.Tensor._make_wrapper_subclass(
            cls,
            numbers.shape,
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device=_AWAY,
            requires_grad=False,
        )
        away.numbers = numbers.detach()
        return away

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _apply(func, args, kwargs or {})


class _Pretence(TorchDispatchMode):
    """Sees every operation, so that tensors made on the pretended device belong to it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _apply(func, args, kwargs or {})


class _Constants(TorchFunctionMode):
    """Makes tensors from Python numbers, and numbers from tensors, which torch does below the level of operations."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        first = args[0] if args else None
        if func is Tensor.tolist and isinstance(first, _Away):
            return first.numbers.tolist()
        if func is Tensor.new_tensor and isinstance(first, _Away):
            return _Away(first.numbers.new_tensor(*args[1:], **kwargs))
        device = kwargs.get("device")
        if func in (torch.tensor, torch.as_tensor) and device and torch.device(device) == _AWAY:
            return _Away(func(*args, **{**kwargs, "device": "cpu"}))
        return func(*args, **kwargs)


def _apply(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    leaves, _ = tree_flatten((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    away = any(isinstance(t, _Away) for t in tensors)
    target = kwargs.get("device")
    # A GPU takes numbers of the CPU too, when they are a single one without dimensions, and index tensors.
    lost = [t for t in tensors if not isinstance(t, _Away) and t.dim() > 0]
    crossing = func is torch.ops.aten._to_copy.default or func is torch.ops.aten.copy_.default
    if away and lost and not crossing and "index" not in func.__name__:
        raise MixedDevices(f"{func.__name__} meets a tensor {tuple(lost[0].shape)} of the CPU")
    if target is not None:
        away = torch.device(target) == _AWAY
        kwargs = {**kwargs, "device": torch.device("cpu") if away else target}
    if func is torch.ops.aten.copy_.default:
        away = isinstance(args[0], _Away)
    out = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    if not away:
        return out
    out = tree_map(lambda value: _Away(value) if isinstance(value, Tensor) else value, out)
    if not any(isinstance(t, _Away) for t in tensors):
        return out
    return return_and_correct_aliasing(func, args, kwargs, out)


def _inner(value: Any) -> Any:
    return value.numbers if isinstance(value, _Away) else value
