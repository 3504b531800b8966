"""Global random state, which no plugin may use: its draws would depend on whatever ran before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from invprior.testing.report import Fault


@contextmanager
def global_random_state_unused(name: str) -> Iterator[None]:
    """Fail when the code inside draws from, or seeds, a global random source; restore the state afterwards.

    Args:
        name: what the code inside does, for the message.

    Raises:
        Fault: a global source changed; the message names it.
    """
    before = (torch.get_rng_state(), np.random.get_state(), random.getstate())  # noqa: NPY002
    try:
        yield
        after = (torch.get_rng_state(), np.random.get_state(), random.getstate())  # noqa: NPY002
        same = {
            "torch's": torch.equal(before[0], after[0]),
            "NumPy's": _comparable(before[1]) == _comparable(after[1]),
            "Python's": before[2] == after[2],
        }
        used = [source for source, unchanged in same.items() if not unchanged]
        if used:
            raise Fault(
                f"{name} uses global random state ({' and '.join(used)}); "
                "draw from the given generator, or from a private one"
            )
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        random.setstate(before[2])


def _comparable(state: Any) -> tuple[Any, ...]:
    # NumPy's state is a tuple with an array in it, which == would compare entry by entry.
    return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in state)
