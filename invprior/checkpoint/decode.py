"""The inverse of `encode`: restore packed tensors and a tree into a fresh object."""

from __future__ import annotations

import dataclasses
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from invprior.checkpoint.encode import Tree, dotted

# The kinds of nodes that have a method; a name from a file must not choose another one.
_KINDS = ("tensor", "array", "generator", "module", "optimizer", "stateful", "list", "tuple", "deque", "dict",
          "object")  # fmt: skip


class Mismatch(ValueError):
    """The packed state does not fit the fresh object."""


def restore(
    tensors: Mapping[str, Tensor], tree: Tree, fresh: Any = None, device: torch.device | str = "cpu"
) -> Any:
    """Rebuild the object that `pack` was given.

    Modules, optimisers, generators and leaf tensors of the fresh object keep their identity and take the packed
    values, so that references to them stay valid. Other tensors are new and have their old memory format. Dataclasses
    that the fresh object does not hold are made without their constructor, if their module is loaded.

    Args:
        tensors: the tensors that `pack` returned.
        tree: the tree that `pack` returned.
        fresh: an object built like the packed one at its start; None if every part can be made without one.
        device: device for the tensors that were not on the CPU.

    Raises:
        Mismatch: the packed state does not fit the fresh object.
    """
    return _Restorer(tensors, torch.device(device))(tree, fresh, "")


class _Restorer:
    """Restores one tree; each kind of node has a method of its name."""

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        self.tensors, self.device = tensors, device
        self.done: dict[str, Any] = {}
        # Fresh objects that are filled already, by id; two packed objects must not share one.
        self.used: dict[int, object] = {}

    def __call__(self, node: Tree, fresh: Any, place: str) -> Any:
        if not isinstance(node, dict):
            return node
        kind = node["is"]
        if kind == "same":  # restored before: packing walks the tree in the same order
            return self.done[node["as"]]
        if kind == "float":
            return float(node["text"])
        if kind == "constant":
            if fresh is None or node.get("text", str(fresh)) != str(fresh):
                raise Mismatch(f"{place} has changed")
            return fresh
        if kind not in _KINDS:
            raise Mismatch(f"{place or 'it'} is of the unknown kind {str(kind)[:40]!r}")
        value = getattr(self, f"_{kind}")(node, fresh, place)
        self.done[place] = value
        return value

    def _begun(self, place: str, value: Any) -> Any:
        """Register an object before its parts are restored, since they may refer to it."""
        self.done[place] = value
        return value

    def _free(self, fresh: Any, kind: type) -> bool:
        """Claim a fresh object; return whether it has the right type and is still unused."""
        if type(fresh) is not kind or id(fresh) in self.used:
            return False
        self.used[id(fresh)] = fresh
        return True

    def _needed(self, node: Tree, fresh: Any, place: str) -> Any:
        """Return the fresh object, which must exist: the packed state alone cannot make it."""
        if fresh is None or dotted(type(fresh)) != node.get("class", dotted(type(fresh))):
            raise Mismatch(
                f"{place or 'it'} is not the {node.get('class', node['is'])} that was saved"
            )
        return fresh

    def _tensor(self, node: Tree, fresh: Any, place: str) -> Tensor:
        kept = self._kept(node, place)
        leaf = node.get("leaf", False)
        if leaf and isinstance(fresh, Tensor) and fresh.is_leaf and id(fresh) not in self.used:
            self.used[id(fresh)] = fresh
            self._copy(kept, fresh, place)
            value = fresh
        else:
            where = "cpu" if node["device"] == "cpu" else self.device
            _check_strides(kept, node["strides"], place)
            value = torch.empty_strided(kept.shape, node["strides"], dtype=kept.dtype, device=where)
            value.copy_(kept).requires_grad_(leaf)
        self.done[place] = value
        value.grad = self(node["grad"], None, _join(place, "grad")) if "grad" in node else None
        return value

    def _kept(self, node: Tree, place: str) -> Tensor:
        kept = self.tensors[place]
        return torch.view_as_complex(kept) if node.get("complex") else kept

    def _copy(self, kept: Tensor, into: Tensor, place: str) -> None:
        if kept.shape != into.shape or kept.dtype != into.dtype:
            raise Mismatch(
                f"{place} was {tuple(kept.shape)}, {kept.dtype}; now it is {tuple(into.shape)}, {into.dtype}"
            )
        with torch.no_grad():
            if not torch.equal(kept, into.detach().cpu()):
                into.copy_(kept)

    def _array(self, node: Tree, fresh: Any, place: str) -> Any:
        return self.tensors[place].numpy().copy()

    def _generator(self, node: Tree, fresh: Any, place: str) -> torch.Generator:
        where = torch.device("cpu") if node["device"] == "cpu" else self.device
        generator = fresh if isinstance(fresh, torch.Generator) else torch.Generator(where)
        if generator.device.type != node["device"]:
            raise Mismatch(f"{place} was on {node['device']}; now it is on {generator.device.type}")
        generator.set_state(self.tensors[place])
        return generator

    def _module(self, node: Tree, fresh: Any, place: str) -> nn.Module:
        module: nn.Module = self._begun(place, self._needed(node, fresh, place))
        # train() would also set the flags of submodules, which have their own.
        module.train(node["training"]) if not node["modules"] else setattr(
            module, "training", node["training"]
        )
        held = {**module._parameters, **module._buffers}
        if (
            held.keys() != node["tensors"].keys()
            or module._modules.keys() != node["modules"].keys()
        ):
            raise Mismatch(
                f"{place} has other parameters, buffers or submodules than the saved one"
            )
        for name, kept in node["tensors"].items():
            self._held(kept, held[name], module, name, _join(place, name))
        for name, kept in node["modules"].items():
            self(kept, module._modules[name], _join(place, name))
        for name, kept in node["attributes"].items():
            setattr(module, name, self(kept, getattr(module, name, None), _join(place, name)))
        return module

    def _held(
        self, node: Tree, now: Tensor | None, module: nn.Module, name: str, place: str
    ) -> None:
        """Fill a parameter or a buffer; a buffer that shares its tensor, or is None, is assigned instead."""
        buffer = isinstance(node, dict) and node["is"] == "tensor" and not node.get("leaf")
        if buffer and now is not None and id(now) not in self.used:
            self.used[id(now)] = now
            self._copy(self._kept(node, place), now, place)
            self.done[place] = now
        elif name in module._parameters and (now is None) != (node is None):
            raise Mismatch(
                f"{place} was {'absent' if node is None else 'present'} when it was saved"
            )
        else:
            setattr(module, name, self(node, now, place))

    def _optimizer(self, node: Tree, fresh: Any, place: str) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = self._begun(place, self._needed(node, fresh, place))
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if len(parameters) != len(node["parameters"]) or len(optimizer.param_groups) != len(
            node["groups"]
        ):
            raise Mismatch(f"{place} has another number of parameters than the saved one")
        for i, (kept, now) in enumerate(zip(node["parameters"], parameters, strict=True)):
            # In place, so that the module and its optimiser still share the tensor.
            if self(kept, now, _join(place, f"parameters.{i}")) is not now:
                raise Mismatch(f"{place} optimises other tensors than the saved one")
        # After the parameters, which are the keys of the state.
        optimizer.state.clear()
        for i, (kept, now) in enumerate(zip(node["state"], parameters, strict=True)):
            if kept is not None:
                optimizer.state[now] = self(kept, None, _join(place, f"state.{i}"))
        for i, (kept, group) in enumerate(zip(node["groups"], optimizer.param_groups, strict=True)):
            group.update(self(kept, None, _join(place, f"groups.{i}")))
        return optimizer

    def _stateful(self, node: Tree, fresh: Any, place: str) -> Any:
        self._needed(node, fresh, place).load_state_dict(
            self(node["state"], None, _join(place, "state"))
        )
        return fresh

    def _list(self, node: Tree, fresh: Any, place: str) -> list[Any]:
        old = list(fresh) if isinstance(fresh, list) else []
        value: list[Any] = self._begun(place, fresh if self._free(fresh, list) else [])
        value[:] = self._items(node["items"], old, place)
        return value

    def _tuple(self, node: Tree, fresh: Any, place: str) -> tuple[Any, ...]:
        old = list(fresh) if isinstance(fresh, tuple) else []
        # A named tuple's constructor takes its items one by one.
        items, cls = self._items(node["items"], old, place), _loaded(node["class"], tuple)
        return cls(*items) if hasattr(cls, "_fields") else cls(items)  # type: ignore[no-any-return]

    def _deque(self, node: Tree, fresh: Any, place: str) -> deque[Any]:
        value: deque[Any] = self._begun(
            place, fresh if self._free(fresh, deque) else deque(maxlen=node["most"])
        )
        items = self._items(node["items"], [], place)
        value.clear()
        value.extend(items)
        return value

    def _dict(self, node: Tree, fresh: Any, place: str) -> dict[Any, Any]:
        old = dict(fresh) if isinstance(fresh, dict) else {}
        value: dict[Any, Any] = self._begun(place, fresh if self._free(fresh, dict) else {})
        items = {key: self(kept, old.get(key), _join(place, key)) for key, kept in node["items"]}
        value.clear()
        value.update(items)
        return value

    def _object(self, node: Tree, fresh: Any, place: str) -> Any:
        cls = _loaded(node["class"], object)
        if not dataclasses.is_dataclass(cls):
            raise Mismatch(f"{place} is a {node['class']}, which is not a dataclass any more")
        # A watcher of another rule: with the saved one, a run would stop by a rule that was not given, or never.
        if callable(fresh) and type(fresh) is not cls:
            raise Mismatch(f"{place} is not the {node['class']} that was saved")
        # A frozen dataclass is made anew, never changed in place.
        if not self._free(fresh, cls) or cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            old, value = fresh if type(fresh) is cls else None, object.__new__(cls)
        else:
            old, value = fresh, fresh
        self.done[place] = value
        for name, kept in node["items"].items():
            object.__setattr__(
                value, name, self(kept, getattr(old, name, None), _join(place, name))
            )
        return value

    def _items(self, nodes: list[Tree], old: list[Any], place: str) -> list[Any]:
        padded = [*old, *[None] * len(nodes)]
        return [
            self(node, now, _join(place, i))
            for i, (node, now) in enumerate(zip(nodes, padded, strict=False))
        ]


def _check_strides(kept: Tensor, strides: list[int], place: str) -> None:
    """Refuse strides that leave gaps: `pack` writes none, and a file with them could ask for any memory."""
    last = sum((size - 1) * stride for size, stride in zip(kept.shape, strides, strict=True))
    if kept.numel() and not (min(strides, default=0) >= 0 and last < kept.numel()):
        raise Mismatch(f"{place} has strides that do not fit its shape")


def _loaded(name: str, base: type) -> type:
    """Return a class by its name if its module is loaded; a file must not cause an import."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise Mismatch(f"the class {name} is not loaded")
    return found


def _join(place: str, name: object) -> str:
    return f"{place}.{name}" if place else str(name)
