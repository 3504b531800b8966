"""Calls side by side, each with its share of torch's threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

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
    threads = torch.get_num_threads()
    share = threads // len(calls)
    recording = torch.is_grad_enabled()
    results: list[T | None] = [None] * len(calls)
    failures: list[BaseException | None] = [None] * len(calls)

    def run(index: int) -> None:
        torch.set_num_threads(share)  # of this thread
        try:
            with torch.set_grad_enabled(recording):
                results[index] = calls[index]()
        except BaseException as failure:
            failures[index] = failure

    # Made anew each time, in half a millisecond. Threads that stay would be missing after a fork, which would wait.
    workers = [threading.Thread(target=run, args=(k,), daemon=True) for k in range(len(calls))]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        torch.set_num_threads(threads)  # which threads to come start with
    for failure in failures:
        if failure is not None:
            raise failure
    return results  # type: ignore[return-value]
