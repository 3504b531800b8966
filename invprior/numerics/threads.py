"""How many threads torch computes with on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from invprior.errors import OptionError
from invprior.numerics import cores

MOST = (
    1024  # more than any one machine has cores for; a system refuses a million threads with a crash
)
CHOSEN_BY_USER = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
)  # in the environment, where torch reads them


def chosen(given: int | None = None) -> tuple[int, str]:
    """Return the number of threads to compute with, and why.

    The load of the machine plays no part: the number changes the order of sums, and so the last bits of a result.

    Args:
        given: the user's choice; None for as many as the process may use.

    Raises:
        OptionError: it is not from 1 to 1024.
    """
    now = torch.get_num_threads()
    if given is not None:
        if not 1 <= given <= MOST:
            raise OptionError(
                f'The option "threads" (--threads) must be from 1 to {MOST}; got {given}. Leave it out for as many as '
                f"this process may use, here {min(now, cores.usable())}."
            )
        return given, "given by --threads"
    if named := [name for name in CHOSEN_BY_USER if name in os.environ]:
        return now, f"{' and '.join(named)} set in the environment"
    if (limit := cores.usable()) < now:
        return limit, f"the quota of this process allows {cores.quota():.3g} cores"
    allowed = len(cores.affinity())
    return now, f"this process may use {allowed} {'core' if allowed == 1 else 'cores'}"


def compute_with(given: int | None = None) -> None:
    """Let torch use the number of threads that `chosen` returns.

    Raises:
        OptionError: the user's choice is not from 1 to 1024.
    """
    threads, _ = chosen(given)
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)


@contextmanager
def limited_to(count: int) -> Iterator[None]:
    """Let torch use this number of threads in the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
