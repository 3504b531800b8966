"""A second device to try plugins on: the GPU if there is one, else a simulation.

A tensor of the simulated device stores its values in the CPU's memory but reports the device `meta`. It refuses to mix
with tensors of the CPU, as a tensor of a GPU would. A machine without a GPU thus finds what would fail on one.
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

from invprior.testing.report import first_line

_SIMULATED = torch.device("meta")  # every build of torch has it, and no plugin uses it


class MixedDevices(RuntimeError):
    """An operation combined tensors of two devices."""


class CannotSimulate(RuntimeError):
    """The simulated device failed where a GPU may succeed."""


@contextmanager
def second_device() -> Iterator[Callable[[Any], Any]]:
    """Yield a function that copies a tensor, or an object with its tensors, to another device than the CPU.

    Of an object it moves what a module's `.to(device)` would move: parameters and buffers.

    Raises:
        MixedDevices: the code inside mixes devices.
        CannotSimulate: it fails on the simulated device for another reason, so there is no verdict without a GPU.
    """
    if torch.cuda.is_available():
        try:
            yield lambda value: copy.deepcopy(value).to("cuda") if _movable(value) else value
        except RuntimeError as error:
            if "same device" in str(error):
                raise MixedDevices(first_line(error)) from None
            raise
        return
    try:
        with _CreationMode(), _DispatchMode():  # type: ignore[no-untyped-call]
            yield _to_simulated
    except MixedDevices:
        raise
    except (RuntimeError, NotImplementedError, TypeError) as error:
        raise CannotSimulate(first_line(error)) from None


def _movable(value: Any) -> bool:
    return isinstance(value, Tensor | nn.Module)


def _to_simulated(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _SimulatedTensor(
            value.detach().clone()
        )  # in-place changes must not reach the original
    if not isinstance(value, nn.Module):
        return value
    # Without the modes, so that the copy is an ordinary module on the CPU.
    with torch.utils._python_dispatch._disable_current_modes():
        moved = copy.deepcopy(value)
    # Entries are replaced one by one: `.to("meta")` would drop the values.
    for module in moved.modules():
        for name, tensor in module.named_buffers(recurse=False):
            module._buffers[name] = _SimulatedTensor(tensor)
        for name, tensor in list(module.named_parameters(recurse=False)):
            simulated = _SimulatedTensor(tensor.detach())
            module._parameters[name] = nn.Parameter(simulated, requires_grad=tensor.requires_grad)
    return moved


class _SimulatedTensor(Tensor):
    """A tensor of the simulated device; `cpu_values` holds its values."""

    cpu_values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> _SimulatedTensor:
        simulated: _SimulatedTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=_SIMULATED,
            requires_grad=False,
        )
        simulated.cpu_values = values.detach()
        return simulated

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _apply(func, args, kwargs or {})


class _DispatchMode(TorchDispatchMode):
    """Sees every operation, also those without a simulated argument, such as `torch.zeros(3, device=x.device)`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _apply(func, args, kwargs or {})


class _CreationMode(TorchFunctionMode):
    """Turns numbers into tensors and tensors into numbers, which torch does below the level of dispatch."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        first = args[0] if args else None
        if func is Tensor.tolist and isinstance(first, _SimulatedTensor):
            return first.cpu_values.tolist()
        if func is Tensor.new_tensor and isinstance(first, _SimulatedTensor):
            return _SimulatedTensor(first.cpu_values.new_tensor(*args[1:], **kwargs))
        device = kwargs.get("device")
        creates = func in (torch.tensor, torch.as_tensor)
        if creates and device and torch.device(device) == _SIMULATED:
            return _SimulatedTensor(func(*args, **{**kwargs, "device": "cpu"}))
        return func(*args, **kwargs)


def _apply(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run one operation on the values, and decide on which device its result is.

    Raises:
        MixedDevices: it combines tensors of both devices.
    """
    leaves, _ = tree_flatten((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    simulated = any(isinstance(t, _SimulatedTensor) for t in tensors)
    target = kwargs.get("device")
    # A GPU also accepts CPU tensors without dimensions, and CPU tensors as indices.
    on_cpu = [t for t in tensors if not isinstance(t, _SimulatedTensor) and t.dim() > 0]
    # Transfers see both devices on purpose.
    copies = func is torch.ops.aten._to_copy.default or func is torch.ops.aten.copy_.default
    if simulated and on_cpu and not copies and "index" not in func.__name__:
        raise MixedDevices(f"{func.__name__} gets a CPU tensor {tuple(on_cpu[0].shape)}")
    if target is not None:
        simulated = torch.device(target) == _SIMULATED
        kwargs = {**kwargs, "device": torch.device("cpu") if simulated else target}
    if func is torch.ops.aten.copy_.default:  # the result is the tensor that is written to
        simulated = isinstance(args[0], _SimulatedTensor)
    out = func(*tree_map(_values, args), **tree_map(_values, kwargs))
    if not simulated:
        return out
    out = tree_map(
        lambda value: _SimulatedTensor(value) if isinstance(value, Tensor) else value, out
    )
    if not any(isinstance(t, _SimulatedTensor) for t in tensors):
        return out
    # Views and in-place operations must return tensors that share storage with their arguments.
    return return_and_correct_aliasing(func, args, kwargs, out)


def _values(value: Any) -> Any:
    return value.cpu_values if isinstance(value, _SimulatedTensor) else value
