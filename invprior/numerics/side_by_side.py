"""Calls side by side, each with its share of torch's threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from invprior.numerics.threads import limited_to

T = TypeVar("T")


def together(count: int) -> bool:
    """Return whether so many calls are made at the same time."""
    return 1 < count <= torch.get_num_threads()


def side_by_side(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make the calls at the same time where there is a thread for each of them, else one after the other.

    Two cores that compute one network each are faster than two that share every layer of both. Each call computes with
    the same number of threads every time, so its bits do not depend on the others.

    Args:
        calls: functions that do not share anything they change. Gradients are recorded in them where they are in the
            caller; other modes of torch that belong to a thread are not passed on.

    Returns:
        What they return, in their order.

    Raises:
        BaseException: whatever the first of them raised.
    """
    if not together(len(calls)):
        return [call() for call in calls]
    threads, recording = torch.get_num_threads(), torch.is_grad_enabled()

    def made(call: Callable[[], T]) -> T:
        with torch.set_grad_enabled(recording):
            return call()

    # Made anew each time, in half a millisecond. Threads that stay would be missing after a fork, which would wait.
    pool = ThreadPoolExecutor(
        len(calls), initializer=torch.set_num_threads, initargs=(threads // len(calls),)
    )
    # A worker's number is its own, but also the one that threads to come start with; the block sets that back.
    with limited_to(threads), pool:
        return list(pool.map(made, calls))
