"""A cell's own process: forked by a worker, under limits, ended by the cell's end."""

from __future__ import annotations

import faulthandler
import json
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from invprior.matrix.execution.process import own
from invprior.matrix.results import record
from invprior.matrix.results.cells import Job
from invprior.matrix.results.record import Record

DONE, UNWRITTEN = 0, 70  # exit codes: the record is written; it could not be
_SLACK = (
    256 * 2**20
)  # bytes beside the limit, for threads' stacks: the worker's watch is the exact one


def run(job: Job, folder: Path, output: int, messages: int) -> int:
    """Compute a cell and write its record, whatever happens; return the exit code.

    Args:
        job: the cell.
        folder: of the results.
        output: file descriptor for what plugins print.
        messages: file descriptor for progress.
    """
    os.setpgid(0, 0)
    die_with_parent(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(output, 1)
    os.dup2(output, 2)
    faulthandler.enable(2)
    usual = resource.getrlimit(resource.RLIMIT_DATA)
    _limit_memory(job)

    def tell(step: int, seconds: float) -> None:
        said = {"say": "progress", "key": job.key, "step": step, "seconds": seconds}
        os.write(messages, (json.dumps(said) + "\n").encode())

    began = time.perf_counter()
    made = _attempt(job, folder, tell)
    resource.setrlimit(resource.RLIMIT_DATA, usual)
    if not made.seconds.whole:
        whole = record.Seconds(whole=time.perf_counter() - began)
        made = replace(made, seconds=whole)
    try:
        record.save(folder, made)
    except Exception as error:  # a full disk, most likely
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return UNWRITTEN
    return DONE


def _attempt(job: Job, folder: Path, tell: Callable[[int, float], None]) -> Record:
    """Compute the cell; an exception becomes a record."""
    import torch

    from invprior.matrix.execution.measure import compute, failure

    try:
        torch.set_num_threads(job.setting.threads)
        return compute(job, folder, tell)
    except MemoryError:
        return failure(job, "out-of-memory", _above(job))
    except BaseException as error:  # a plugin may raise anything, SystemExit too
        text = re.sub(r"\s*\n\s*", " ", f"{type(error).__name__}: {error}")
        if re.search(r"out of memory|allocate memory|not enough memory", text, re.I):
            return failure(job, "out-of-memory", f"{_above(job)} ({text[:200]})")
        return failure(job, "crashed", text[:1000])


def _above(job: Job) -> str:
    return f"needed more than the limit of {job.limits.memory}"


def _limit_memory(job: Job) -> None:
    """Let allocations beyond the limit fail, so that the cell can say so itself; a GPU's driver maps more than that."""
    if job.setting.device.startswith("cuda"):
        return
    now = own("VmData")
    if now is None:  # not on this system
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (now + job.limits.bytes + _SLACK, hard))


def die_with_parent(parent: int) -> None:
    """Ask the system to kill this process when its parent ends; only Linux can."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it has ended already
            os._exit(1)
