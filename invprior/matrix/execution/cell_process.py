"""The process of one cell: forked by a worker, run under limits, ended with the cell."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from invprior.matrix.execution import cell_messages
from invprior.matrix.execution.process import die_with_parent, own_memory
from invprior.matrix.results import record
from invprior.matrix.results.base_record import failure
from invprior.matrix.results.cells import Job
from invprior.matrix.results.record import Record

if TYPE_CHECKING:
    from invprior.matrix.execution.curve import Progress

DONE, UNWRITTEN = 0, 70  # exit codes: the record is written; it could not be written
# Bytes above the limit, for the stacks of threads. The worker's check enforces the exact limit.
_SLACK = 256 * 2**20


def run(job: Job, folder: Path, output: int, messages: int) -> int:
    """Compute a cell and write its record, even if it fails; return the exit code.

    Args:
        job: the cell.
        folder: of the results.
        output: file descriptor for what plugins print.
        messages: file descriptor for `cell_messages`.
    """
    import resource  # not on Windows

    os.setpgid(0, 0)  # a group of its own, so that a signal to it reaches no worker
    die_with_parent(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # A crash in C code then prints its place, which the worker reads from this output.
    faulthandler.enable(2)
    usual = resource.getrlimit(resource.RLIMIT_DATA)
    _limit_memory(job)

    def progress(step: int, seconds: float) -> None:
        cell_messages.report(messages, step, seconds)

    began = time.perf_counter()
    made = _attempt(job, folder, progress)
    resource.setrlimit(resource.RLIMIT_DATA, usual)  # writing the record needs memory too
    if not made.seconds.whole:
        whole = record.Seconds(whole=time.perf_counter() - began)
        made = replace(made, seconds=whole)
    try:
        record.save(folder, made)
    except Exception as error:  # a full disk, most likely
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return UNWRITTEN
    os.write(messages, cell_messages.WRITTEN + b"\n")
    return DONE


def _attempt(job: Job, folder: Path, progress: Progress) -> Record:
    """Compute the cell; an exception becomes a record."""
    import torch

    from invprior.matrix.execution.measure import compute

    try:
        torch.set_num_threads(job.setting.threads)
        return compute(job, folder, progress)
    except MemoryError:
        return failure(job, "out-of-memory", _above_limit(job))
    except BaseException as error:  # a plugin may raise anything, SystemExit too
        text = re.sub(r"\s*\n\s*", " ", f"{type(error).__name__}: {error}")
        # torch has no exception of its own for exhausted memory on the CPU
        if re.search(r"out of memory|allocate memory|not enough memory", text, re.I):
            return failure(job, "out-of-memory", f"{_above_limit(job)} ({text[:200]})")
        return failure(job, "crashed", text[:1000])


def _above_limit(job: Job) -> str:
    return f"needed more than the limit of {job.limits.memory}"


def _limit_memory(job: Job) -> None:
    """Let allocations above the limit fail, so that the cell itself can report it.

    Not on a GPU, whose driver maps more than that.
    """
    if job.setting.device.startswith("cuda"):
        return
    import resource

    now = own_memory("VmData")
    if now is None:  # not on this system
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (now + job.limits.bytes + _SLACK, hard))
