"""A method of a plugin together with the tensors to call it with."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class MethodCall:
    """A call of one method of a plugin, with a batch of two.

    Attributes:
        name: the method's name, for messages.
        plugin: the object that holds the method. If it is a module, its tensors follow the images to another dtype or
            device.
        call: takes the plugin and the tensors.
        tensors: in float64, the batch as the first dimension.
        shape: the shape that the method must return.
    """

    name: str
    plugin: Any
    call: Callable[..., Tensor]
    tensors: tuple[Tensor, ...]
    shape: tuple[int, ...]

    def __call__(self) -> Tensor:
        """Return the result for the batch."""
        return self.of(*self.tensors)

    def of(self, *tensors: Tensor) -> Tensor:
        """Return the result for other tensors, by a copy of the plugin: what a call leaves behind cannot be seen."""
        return self.by(copy.deepcopy(self.plugin), *tensors)

    def by(self, plugin: Any, *tensors: Tensor) -> Tensor:
        """Return the result of another plugin, or of this one itself."""
        with torch.no_grad():
            # A module may return its own parameter, hence the detach.
            return self.call(plugin, *tensors).detach()

    def one(self, index: int = 0) -> MethodCall:
        """Return the same call for one image of the batch, which is cheaper."""
        tensors = tuple(t[index : index + 1] for t in self.tensors)
        return replace(self, tensors=tensors, shape=(1, *self.shape[1:]))

    def to(self, dtype: torch.dtype) -> MethodCall:
        """Return the same call in another precision, on a copy of the plugin."""
        # A module's `to` works in place, and the plugin belongs to the caller.
        plugin = copy.deepcopy(self.plugin)
        if isinstance(plugin, nn.Module):
            plugin.to(dtype)
        tensors = (t.to(dtype.to_complex() if t.is_complex() else dtype) for t in self.tensors)
        return replace(self, plugin=plugin, tensors=tuple(tensors))
