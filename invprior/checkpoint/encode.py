"""The encoding of a run's state as tensors and plain JSON, the content of a checkpoint."""

from __future__ import annotations

import dataclasses
import enum
import math
import types
from collections import deque
from functools import partial
from pathlib import PurePath
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

Tree: TypeAlias = Any  # a value of the json module

_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, partial)
_MACHINERY = frozenset(vars(nn.Module()))  # torch's own attributes of every module


class Unpackable(TypeError):
    """A value that cannot be packed.

    Attributes:
        place: its position in the packed object, such as "optimizer.state".
        kind: the name of its type.
    """

    def __init__(self, place: str, value: object) -> None:
        self.place, self.kind = place, type(value).__name__
        super().__init__(f"{place} is a {self.kind}")


def dotted(cls: type) -> str:
    """Return a class's name as `module:Class`, by which it is found when restored."""
    return f"{cls.__module__}:{cls.__qualname__}"


def pack(value: object, *, stateless: str | None = None) -> tuple[dict[str, Tensor], Tree]:
    """Split an object into tensors and a tree.

    It packs tensors with their memory format and gradient, torch optimisers, random generators, and objects with
    `state_dict` and `load_state_dict`. It packs dataclasses, lists, tuples, dicts with plain keys, deques, numbers,
    text and None. Of a module it packs parameters, all buffers, and its own attributes except functions and classes.

    An object in two places is packed once, and is in both places again after `restore`. Frozen plugins (solvers, rules,
    networks) and constants such as a dtype come from the fresh object of `restore`.

    Args:
        value: the object; it is not changed.
        stateless: name of the part of `value` in which functions count as constants too.

    Returns:
        Contiguous copies of the tensors on the CPU, by their place, and the tree.

    Raises:
        Unpackable: some part has another type.
    """
    packer = _Packer(stateless)
    return packer.tensors, packer(value, "")


class _Packer:
    def __init__(self, stateless: str | None) -> None:
        self.stateless = stateless
        self.tensors: dict[str, Tensor] = {}
        # By id. The object too, since the id of a dead object is used again.
        self.seen: dict[int, tuple[str, object]] = {}

    def __call__(self, value: Any, place: str) -> Tree:
        if value is None or isinstance(value, bool | int | str):
            # An IntEnum or a StrEnum is an int or a str too, and JSON takes its plain value.
            return value.value if isinstance(value, enum.Enum) else value
        if isinstance(value, np.generic):
            return self(value.item(), place)
        if isinstance(value, float):
            # JSON has no infinity and no NaN.
            return value if math.isfinite(value) else {"is": "float", "text": repr(value)}
        if isinstance(value, torch.dtype | torch.device | enum.Enum | PurePath):
            return {"is": "constant", "text": str(value)}
        if self._is_settled(value, place):
            return {"is": "constant"}
        if isinstance(value, tuple):  # immutable, so it is not looked up in `seen`
            return {"is": "tuple", "class": dotted(type(value)), "items": self._items(value, place)}
        if id(value) in self.seen:
            return {"is": "same", "as": self.seen[id(value)][0]}
        self.seen[id(value)] = (place, value)
        return self._object(value, place)

    def _object(self, value: Any, place: str) -> Tree:
        if isinstance(value, Tensor) and value.layout == torch.strided:
            return self._tensor(value, place)
        if isinstance(value, np.ndarray) and value.dtype != object:
            self.tensors[place] = torch.from_numpy(np.array(value))
            return {"is": "array"}
        if isinstance(value, torch.Generator):
            self.tensors[place] = value.get_state()
            return {"is": "generator", "device": value.device.type}
        if isinstance(value, nn.Module):
            return self._module(value, place)
        if isinstance(value, torch.optim.Optimizer):
            return self._optimizer(value, place)
        if isinstance(value, list):
            return {"is": "list", "items": self._items(value, place)}
        if isinstance(value, deque):
            return {"is": "deque", "most": value.maxlen, "items": self._items(value, place)}
        if isinstance(value, dict):
            # As pairs, since JSON turns the keys of an object into text.
            return {"is": "dict", "items": self._pairs(value, place)}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {
                "is": "object",
                "class": dotted(type(value)),
                "items": self._fields(value, place),
            }
        if hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
            return {"is": "stateful", "state": self(value.state_dict(), _join(place, "state"))}
        raise Unpackable(place, value)

    def _is_settled(self, value: object, place: str) -> bool:
        """Return whether the value comes from the fresh object when it is restored."""
        if isinstance(value, _FUNCTIONS):
            return place.partition(".")[0] == self.stateless
        frozen = getattr(getattr(value, "__dataclass_params__", None), "frozen", False)
        return bool(frozen and hasattr(type(value), "plugin_group"))

    def _items(self, values: Any, place: str) -> list[Tree]:
        return [self(value, _join(place, i)) for i, value in enumerate(values)]

    def _pairs(self, values: dict[Any, Any], place: str) -> list[Tree]:
        for key in values:
            if not (key is None or isinstance(key, bool | int | float | str)):
                raise Unpackable(f"a key of {place}", key)
        return [[key, self(value, _join(place, key))] for key, value in values.items()]

    def _fields(self, value: Any, place: str) -> dict[str, Tree]:
        # Cached properties and attributes that were set later are no fields.
        names = dict.fromkeys(
            [*(f.name for f in dataclasses.fields(value)), *getattr(value, "__dict__", ())]
        )
        return {n: self(getattr(value, n), _join(place, n)) for n in names if hasattr(value, n)}

    def _tensor(self, value: Tensor, place: str) -> Tree:
        plain = value.detach()
        node: dict[str, Tree] = {"is": "tensor", "device": value.device.type}
        if value.requires_grad and value.is_leaf:
            node["leaf"] = True
            if value.grad is not None:
                node["grad"] = self(value.grad, _join(place, "grad"))
        # As torch preserves them: strides with overlaps or gaps become contiguous.
        node["strides"] = list(torch.empty_like(plain, device="meta").stride())
        if plain.is_complex():
            node["complex"], plain = True, torch.view_as_real(plain.resolve_conj())
        # A contiguous copy, as safetensors refuses strided and shared memory.
        self.tensors[place] = torch.empty(plain.shape, dtype=plain.dtype).copy_(plain)
        return node

    def _module(self, module: nn.Module, place: str) -> Tree:
        held = {**module._parameters, **module._buffers}
        node: dict[str, Tree] = {
            "is": "module",
            "class": dotted(type(module)),
            "training": module.training,
            "tensors": {n: self(t, _join(place, n)) for n, t in held.items()},
            "modules": {n: self(m, _join(place, n)) for n, m in module._modules.items()},
            "attributes": {},
        }
        if not type(module).__module__.startswith(
            "torch."
        ):  # torch's own modules hold only settings
            for name, value in vars(module).items():
                if name not in _MACHINERY:
                    self._attribute(node["attributes"], name, value, place)
        return node

    def _attribute(self, kept: dict[str, Tree], name: str, value: object, place: str) -> None:
        """Pack a module's own attribute, unless it is code, which has no state."""
        if not isinstance(value, (*_FUNCTIONS, type)):
            kept[name] = self(value, _join(place, name))

    def _optimizer(self, optimizer: torch.optim.Optimizer, place: str) -> Tree:
        groups = optimizer.param_groups
        parameters = [p for group in groups for p in group["params"]]
        return {
            "is": "optimizer",
            "class": dotted(type(optimizer)),
            "parameters": self._items(parameters, _join(place, "parameters")),
            # By position: the optimiser's own keys are the parameters themselves.
            "state": [
                self(optimizer.state.get(p), _join(place, f"state.{i}"))
                for i, p in enumerate(parameters)
            ],
            "groups": [
                self({k: v for k, v in group.items() if k != "params"}, _join(place, f"groups.{i}"))
                for i, group in enumerate(groups)
            ],
        }


def _join(place: str, name: object) -> str:
    return f"{place}.{name}" if place else str(name)
