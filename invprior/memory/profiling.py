"""The memory profile of tensors in a short run, from which a long run's memory is estimated."""

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

from invprior.numerics.threads import limited_to
from invprior.problem.objective import Objective, gradients_kept
from invprior.solvers.base import Solver

_STEPS = (
    2  # for a solver without a torch optimiser; the second step also holds what the first one left
)


@dataclass(frozen=True)
class Trace:
    """The memory of a short run, in bytes.

    Attributes:
        timeline: bytes of the live tensors that the run made, after each of its operations.
        parameters: bytes of its optimiser's parameters, 0 without an optimiser.
        moments: bytes that the optimiser keeps between steps.
    """

    timeline: tuple[int, ...]
    parameters: int = 0
    moments: int = 0

    @property
    def peak(self) -> int:
        """The largest value of the timeline."""
        return max(self.timeline, default=0)


class _FirstUpdate(Exception):
    """Ends the profile after the first step of an optimiser."""


def profile(objective: Objective, solver: Solver, x0: Tensor) -> Trace:
    """Run a solver on a small problem, until its optimiser's first step, or for two steps without an optimiser.

    The global random state is restored afterwards.

    Args:
        objective: the objective of the small problem.
        solver: the solver.
        x0: the initial estimate, (1, C, h, w).
    """
    counter = _LiveBytes()
    used: list[torch.optim.Optimizer] = []

    def stop(optimizer: torch.optim.Optimizer) -> None:
        used.append(optimizer)
        raise _FirstUpdate

    # By default, fork_rng would save and restore the state of every GPU.
    devices = [x0.device] if x0.device.type == "cuda" else []
    kept = gradients_kept([objective])
    with (
        limited_to(1),  # of several networks side by side, the counter would see none
        torch.random.fork_rng(devices),
        torch.enable_grad(),
        kept,
        _after_each_update(stop),
        counter,
    ):
        try:
            state = solver.init(objective, x0, torch.Generator().manual_seed(0))
            for _ in range(_STEPS):
                state = solver.step(objective, state)
        except _FirstUpdate:
            pass
    parameters, moments = _optimizer_bytes(used[0]) if used else (0, 0)
    return Trace(tuple(counter.timeline), parameters, moments)


@contextmanager
def _after_each_update(call: Callable[[torch.optim.Optimizer], None]) -> Iterator[None]:
    """Call a function after each step of a torch optimiser, in this thread only."""
    thread = threading.get_ident()  # the hook is global, and another thread may be in a run

    def hook(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if threading.get_ident() == thread:
            call(optimizer)

    # After a step and not before it, as an optimiser makes its moments in its first step.
    handle = register_optimizer_step_post_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _optimizer_bytes(optimizer: torch.optim.Optimizer) -> tuple[int, int]:
    """Return the bytes of an optimiser's parameters and of its state."""
    parameters = sum(p.nbytes for group in optimizer.param_groups for p in group["params"])
    if isinstance(optimizer, torch.optim.LBFGS):  # its history fills up later
        return parameters, parameters * (2 * optimizer.param_groups[0]["history_size"] + 4)
    states = tree_leaves([dict(state) for state in optimizer.state.values()])
    return parameters, sum(leaf.nbytes for leaf in states if isinstance(leaf, Tensor))


class _LiveBytes(TorchDispatchMode):
    """Counts the bytes of the live storages that operations made."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.timeline: list[int] = []
        self.alive: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Nothing is compiled here, and keeping torch's compiler away would import it, for a second or two.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        self.timeline.append(self.now)
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        # By storage, as views share one.
        key, size = storage._cdata, storage.nbytes()
        if key in self.alive:
            return
        self.now += size

        def ended(_: object) -> None:
            self.now -= size
            del self.alive[key]

        self.alive[key] = weakref.ref(storage, ended)
