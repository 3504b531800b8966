"""Save memory in the backward pass: compute layers again instead of keeping their results."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

_SMALL = 4  # a block with at most this many leaf modules is computed again as a whole
_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


def recompute(network: nn.Module) -> None:
    """Change a network in place to keep one map per layer for its backward pass, not two or three.

    The gradients have the same bits as before. An iteration takes about a third more time.

    Two kinds of blocks keep only their input and are computed again during the backward pass: the layers of an
    `nn.Sequential` from one normalisation to the next, and a small block with its own `forward`. The second computation
    sees the same perturbed filters (`torch.func.functional_call`), the same global random state, and the same state of
    generators that are attributes of a module.

    Args:
        network: any network; its parameters and their names do not change.

    Source: Chen et al. 2016, "Training deep nets with sublinear memory cost".
    """
    if isinstance(network, nn.Sequential):
        # Only `forward` changes. A new module tree would rename the parameters in a state dict.
        parts = _parts(list(network))
        network.forward = partial(_in_turn, parts)  # type: ignore[method-assign]
        return
    for child in network.children():
        if isinstance(child, nn.Sequential) or not _is_small(child):
            recompute(child)
        elif not _is_leaf(child):
            _wrap(child)


def _parts(layers: list[nn.Module]) -> list[nn.Module]:
    """Group the layers of a Sequential; large layers are changed on their own."""
    has_norm = any(isinstance(layer, _NORMS) for layer in layers)
    groups: list[list[nn.Module]] = [[]]
    for layer in layers:
        if not _is_small(layer):
            recompute(layer)
            groups += [[layer], []]
            continue
        # A group starts at a normalisation, whose input is then the one map that is kept.
        starts = isinstance(layer, _NORMS) if has_norm else _has_filters(layer)
        if starts and groups[-1]:
            groups.append([])
        groups[-1].append(layer)
    parts = []
    for group in groups:
        # A first layer that works in place would overwrite the input that the group keeps.
        while group and getattr(group[0], "inplace", False):
            parts.append(group.pop(0))
        part = group[0] if len(group) == 1 else nn.Sequential(*group)
        if group:
            if not _is_leaf(part) and (len(group) > 1 or _is_small(part)):
                _wrap(part)
            parts.append(part)
    return parts


def _is_leaf(module: nn.Module) -> bool:
    return next(module.children(), None) is None


def _is_small(module: nn.Module) -> bool:
    return sum(map(_is_leaf, module.modules())) <= _SMALL


def _has_filters(module: nn.Module) -> bool:
    return any(p.ndim > 1 for p in module.parameters())


def _in_turn(parts: list[nn.Module], x: Any) -> Any:
    for part in parts:
        x = part(x)
    return x


def _wrap(block: nn.Module) -> None:
    plain = _Plain(block)  # takes the block's own forward before it is replaced
    block.forward = partial(_checkpointed, plain)


def _checkpointed(plain: _Plain, *inputs: Any) -> Any:
    # The reentrant variant gives no gradients to weights when no input needs one, as z does not.
    return checkpoint(_Call(plain), *inputs, use_reentrant=False)


class _Plain(nn.Module):
    """A block with its original `forward`."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block, self.call = block, block.forward

    def forward(self, *inputs: Any) -> Any:
        return self.call(*inputs)


class _Call:
    """One call of a block that can be repeated with the same weights and random numbers."""

    def __init__(self, plain: _Plain) -> None:
        self.plain = plain
        # With perturbed filters the parameters are those of this call alone, so they are kept here.
        self.weights: dict[str, Tensor] = dict(plain.named_parameters())
        held = (vars(module).values() for module in plain.modules())
        self.generators = [g for values in held for g in values if isinstance(g, torch.Generator)]
        self.states = [g.get_state() for g in self.generators]
        self.again = False

    def __call__(self, *inputs: Any) -> Any:
        if not self.again:
            self.again = True  # PyTorch calls this object once more, in the backward pass
            return functional_call(self.plain, self.weights, inputs)
        # The random streams go back to the first call, and afterwards to where they are now.
        now = [g.get_state() for g in self.generators]
        self._set(self.states)
        try:
            return functional_call(self.plain, self.weights, inputs)
        finally:
            self._set(now)

    def _set(self, states: list[Tensor]) -> None:
        for generator, state in zip(self.generators, states, strict=True):
            generator.set_state(state)
