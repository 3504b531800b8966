"""Watching what tensors hold during a short run, to tell what a long one will need."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from invprior.problem.objective import Objective
from invprior.solvers.base import Solver

_STEPS = 2  # of a solver without an optimiser of torch's: the second also holds what the first left


@dataclass(frozen=True)
class Trace:
    """What a short run held, in bytes.

    Attributes:
        timeline: all tensors that it made and that were alive, after each of its operations.
        parameters: the parameters of its optimiser, 0 without one.
        moments: what the optimiser keeps from step to step.
    """

    timeline: tuple[int, ...]
    parameters: int = 0
    moments: int = 0

    @property
    def peak(self) -> int:
        """The largest figure of the timeline."""
        return max(self.timeline, default=0)


class _Enough(Exception):
    """The rehearsal has seen one step of an optimiser."""


def profile(objective: Objective, solver: Solver, x0: Tensor) -> Trace:
    """Run a solver on a small problem, up to its optimiser's first step or for two steps without one.

    The global random state is as before afterwards.

    Args:
        objective: of the small problem.
        solver: the solver.
        x0: where it begins, (1, C, h, w).
    """
    watch = _Live()
    used: list[torch.optim.Optimizer] = []

    def stop(optimizer: torch.optim.Optimizer) -> None:
        used.append(optimizer)
        raise _Enough

    devices = [x0.device] if x0.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.enable_grad(), _after_each_update(stop), watch:
        try:
            state = solver.init(objective, x0, torch.Generator().manual_seed(0))
            for _ in range(_STEPS):
                state = solver.step(objective, state)
        except _Enough:
            pass
    parameters, moments = _kept(used[0]) if used else (0, 0)
    return Trace(tuple(watch.timeline), parameters, moments)


@contextmanager
def _after_each_update(call: Callable[[torch.optim.Optimizer], None]) -> Iterator[None]:
    """Call a function after each step of an optimiser of torch's, in this thread only."""
    thread = threading.get_ident()

    def hook(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if threading.get_ident() == thread:
            call(optimizer)

    handle = register_optimizer_step_post_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _kept(optimizer: torch.optim.Optimizer) -> tuple[int, int]:
    """Bytes of an optimiser's parameters and of what it keeps about them."""
    parameters = sum(p.nbytes for group in optimizer.param_groups for p in group["params"])
    if isinstance(optimizer, torch.optim.LBFGS):  # its memory fills up later
        return parameters, parameters * (2 * optimizer.param_groups[0]["history_size"] + 4)
    states = tree_leaves([dict(state) for state in optimizer.state.values()])
    return parameters, sum(leaf.nbytes for leaf in states if isinstance(leaf, Tensor))


class _Live(TorchDispatchMode):
    """Counts the storages that operations make, from their making to their end."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.timeline: list[int] = []
        self.alive: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        self.timeline.append(self.now)
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self.alive:
            return
        self.now += size

        def ended(_: object) -> None:
            self.now -= size
            del self.alive[key]

        self.alive[key] = weakref.ref(storage, ended)
