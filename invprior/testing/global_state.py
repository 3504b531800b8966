"""Global state, which no plugin may use or change: its results would depend on whatever ran before."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from invprior.testing.report import Fault

# What to read, what it is called in messages, and how to put it back.
_RANDOM: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "torch's": (torch.get_rng_state, torch.set_rng_state),
    "NumPy's": (np.random.get_state, np.random.set_state),
    "Python's": (random.getstate, random.setstate),
}
_SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "torch's default device": (torch.get_default_device, torch.set_default_device),
    "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
    "whether torch records gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's deterministic mode": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    "NumPy's handling of errors": (np.geterr, lambda errors: np.seterr(**errors)),
    "the working folder": (os.getcwd, os.chdir),
}


@contextmanager
def global_state_restored() -> Iterator[None]:
    """Put global random state and settings back at the end, so that one check does not disturb the next."""
    before = {**_read(_RANDOM), **_read(_SETTINGS)}
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def global_state_unused(name: str) -> Iterator[None]:
    """Fail when the code inside draws from a global random source or changes a global setting; restore both.

    Args:
        name: what the code inside does, for the message.

    Raises:
        Fault: global state changed; the message names it.
    """
    with global_state_restored():
        sources, settings = _read(_RANDOM), _read(_SETTINGS)
        yield
        used = _changed(sources, _RANDOM)
        if used:
            raise Fault(
                f"{name} uses global random state ({' and '.join(used)}); "
                "draw from the given generator, or from a private one"
            )
        changed = _changed(settings, _SETTINGS)
        if changed:
            raise Fault(
                f"{name} changes {' and '.join(changed)} for the whole program; "
                "say what each call needs in the call itself"
            )


def _read(entries: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]) -> dict[str, Any]:
    return {name: get() for name, (get, _) in entries.items()}


def _changed(
    before: dict[str, Any], entries: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]
) -> list[str]:
    after = _read(entries)
    return [name for name in entries if _comparable(before[name]) != _comparable(after[name])]


def _restore(before: dict[str, Any]) -> None:
    after = {**_read(_RANDOM), **_read(_SETTINGS)}
    for name, (_, put) in {**_RANDOM, **_SETTINGS}.items():
        # Only what has changed: setting the default device, even to itself, slows every later call.
        if _comparable(before[name]) != _comparable(after[name]):
            put(before[name])


def _comparable(state: Any) -> Any:
    # Arrays and tensors would compare entry by entry; NumPy's state is a tuple with an array in it.
    if isinstance(state, torch.Tensor):
        return state.numpy().tobytes()
    if isinstance(state, tuple):
        return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in state)
    return state
