"""Less memory for the backward pass: a network's layers are computed again where their results are needed."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

_SMALL = 4  # leaves; a block of no more is computed again as a whole
_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


def recompute(network: nn.Module) -> None:
    """Let a network keep, for its backward pass, one map per layer instead of two or three; in place.

    The gradients have the same bits as without, for about a third more time. Each run of layers in an `nn.Sequential`
    from one normalisation up to the next, and each small block with a `forward` of its own, keeps its input alone and
    is computed again during the backward pass (Chen et al. 2016, "Training deep nets with sublinear memory cost").
    Filters that are perturbed during the forward pass (`torch.func.functional_call`), the global random state and
    generators that a module holds as attributes are what they were.

    Args:
        network: any network; its parameters and their names stay as they are.
    """
    if isinstance(network, nn.Sequential):
        parts = _parts(list(network))
        network.forward = partial(_in_turn, parts)  # type: ignore[method-assign]
        return
    for child in network.children():
        if isinstance(child, nn.Sequential) or not _is_small(child):
            recompute(child)
        elif not _is_leaf(child):
            _wrap(child)


def _parts(layers: list[nn.Module]) -> list[nn.Module]:
    """Group a Sequential's layers; what is large is treated by itself."""
    has_norm = any(isinstance(layer, _NORMS) for layer in layers)
    groups: list[list[nn.Module]] = [[]]
    for layer in layers:
        if not _is_small(layer):
            recompute(layer)
            groups += [[layer], []]
            continue
        starts = isinstance(layer, _NORMS) if has_norm else _has_filters(layer)
        if starts and groups[-1]:
            groups.append([])
        groups[-1].append(layer)
    parts = []
    for group in groups:
        while group and getattr(group[0], "inplace", False):  # it would change what the group keeps
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
    plain = _Plain(block)
    block.forward = partial(_checkpointed, plain)


def _checkpointed(plain: _Plain, *inputs: Any) -> Any:
    return checkpoint(_Call(plain), *inputs, use_reentrant=False)


class _Plain(nn.Module):
    """A block with the `forward` that it had."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block, self.call = block, block.forward

    def forward(self, *inputs: Any) -> Any:
        return self.call(*inputs)


class _Call:
    """One call of a block, which can be done again under the same circumstances."""

    def __init__(self, plain: _Plain) -> None:
        self.plain = plain
        self.weights: dict[str, Tensor] = dict(plain.named_parameters())
        held = (vars(module).values() for module in plain.modules())
        self.generators = [g for values in held for g in values if isinstance(g, torch.Generator)]
        self.states = [g.get_state() for g in self.generators]
        self.again = False

    def __call__(self, *inputs: Any) -> Any:
        if not self.again:
            self.again = True
            return functional_call(self.plain, self.weights, inputs)
        now = [g.get_state() for g in self.generators]
        self._set(self.states)
        try:
            return functional_call(self.plain, self.weights, inputs)
        finally:
            self._set(now)

    def _set(self, states: list[Tensor]) -> None:
        for generator, state in zip(self.generators, states, strict=True):
            generator.set_state(state)
