"""The computation of one cell, from its job to its record; runs in the cell's own process."""

from __future__ import annotations

import hashlib
import os
import resource
import sys
import time
from contextlib import chdir, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.io import images
from invprior.matrix.execution.data import Case, prepare
from invprior.matrix.execution.look import Tell
from invprior.matrix.execution.process import own, resident
from invprior.matrix.execution.restore import Restored, problem_of, restore, simple
from invprior.matrix.execution.scoring import Scores
from invprior.matrix.execution.tune import tune
from invprior.matrix.results import cells, record
from invprior.matrix.results.record import Ending, Record, Seconds, Status
from invprior.matrix.results.versions import packages, versions
from invprior.provenance import data_hash, device_text


def compute(job: cells.Job, folder: Path, tell: Tell) -> Record:
    """Compute a cell and write its images, but not its record.

    Args:
        job: the cell.
        folder: of the results.
        tell: told of the step and the seconds now and then.

    Returns:
        The record: ok, diverged, incompatible or missing-package.

    Raises:
        Exception: whatever a plugin raises.
    """
    began = time.perf_counter()
    if job.missing:
        names = " and ".join(job.missing)
        return failure(
            job,
            "missing-package",
            f"{names} is not installed; run: pip install {' '.join(job.missing)}",
        )
    before = _restart_memory(job.setting.device)
    try:
        with chdir(job.setting.data):
            made = _measured(job, folder, tell)
    except IncompatibleError as error:
        made = failure(job, "incompatible", str(error))
    seconds = replace(made.seconds, whole=time.perf_counter() - began)
    return replace(made, seconds=seconds, memory=max(_peak_memory(job.setting.device) - before, 0))


def failure(job: cells.Job, status: Status, reason: str) -> Record:
    """The record of a cell that gave no restoration."""
    return Record(
        key=job.key,
        cell=job.cell,
        status=status,
        reason=reason,
        replay=job.replay,
        options=job.options,
        job=job.rest(),
        versions=versions(),
        packages=packages(cells.parts(job)),
        threads=job.setting.threads,
        created=now(),
    )


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _measured(job: cells.Job, folder: Path, tell: Tell) -> Record:
    case = prepare(job)
    scores = Scores.of(job.metrics, case, job.protocol)
    tuned = tune(job, folder, tell) if job.method.weights in ("tuned", "oracle") else None
    restored = restore(job, case, scores, tell, None if tuned is None else tuned.factor)
    tuning = restored.tuning if tuned is None else tuned.seconds
    end = restored.stop
    names = _write_images(job, case, restored, folder)
    status: Status = "diverged" if restored.reason else "ok"
    return replace(
        failure(job, status, restored.reason),
        metrics=scores(restored.x),
        baseline=scores.simple(simple(problem_of(job, case), case.truth)),
        seconds=Seconds(solve=restored.solve, warm_up=restored.warm_up, tuning=tuning),
        calls=restored.calls,
        steps=restored.steps,
        stop=None if end is None else Ending(name=end.name, ok=end.ok, message=end.message),
        weights=restored.weights,
        budget=0 if tuned is None else job.tuning.budget,
        curve=restored.curve,
        result_sha256=data_hash(restored.x),
        inputs={"truth": data_hash(case.truth), "measurement": data_hash(case.y)},
        device=device_text(case.y.device),
        **names,
    )


def _write_images(job: cells.Job, case: Case, restored: Restored, folder: Path) -> dict[str, Any]:
    """Write the restoration, and the images that cells share unless another cell has; return names and hashes."""
    own = {"image": (record.RECORDS, job.key, restored.x)}
    shared = {
        role: (record.IMAGES, data_hash(x)[:20], x)
        for role, x in (("truth", case.truth), ("measurement", case.y))
    }
    names: dict[str, Any] = {}
    hashes: dict[str, str] = {}
    for role, (place, stem, x) in {**own, **shared}.items():
        path = folder / place / (stem + _suffix(x))
        if role == "image" or not path.exists():
            images.save(path, x.nan_to_num(0.0), overwrite=True)
        names[role] = path.name
        hashes[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return names | {"files": hashes}


def _suffix(x: Tensor) -> str:
    return ".png" if x.shape[1] in (1, 3) else ".tif"


def _restart_memory(device: str) -> int:
    """Forget earlier peaks; return what is held now, in bytes."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        return 0
    with suppress(OSError):  # not on this system; the peak then holds what went before
        Path("/proc/self/clear_refs").write_text("5")
    return resident(os.getpid()) or _peak_memory(device)


def _peak_memory(device: str) -> int:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    if (most := own("VmHWM")) is not None:
        return most
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
