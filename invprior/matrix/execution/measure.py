"""The computation of one cell, from its job to its record; runs in the cell's own process."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from contextlib import chdir, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.io import files
from invprior.io.display import UNIT, window_of
from invprior.io.save import save
from invprior.matrix.execution.curve import Progress
from invprior.matrix.execution.data import Case, prepare
from invprior.matrix.execution.process import own_memory, resident_memory
from invprior.matrix.execution.restore import Restored, problem_of, restore, without_method
from invprior.matrix.execution.scoring import Scores
from invprior.matrix.execution.tune import tune
from invprior.matrix.results import record
from invprior.matrix.results.base_record import base_record, failure
from invprior.matrix.results.cells import Job, check_inputs, home
from invprior.matrix.results.hashes import file_hash, is_file
from invprior.matrix.results.record import Ending, Record, Seconds
from invprior.metrics.base import score_range
from invprior.operators.imaging import measures_images
from invprior.problem.estimates import pseudo_inverse
from invprior.provenance import data_hash, device_text


def compute(job: Job, folder: Path, progress: Progress) -> Record:
    """Compute a cell and write its images, but not its record.

    Args:
        job: the cell.
        folder: of the results.
        progress: called with step and seconds now and then.

    Returns:
        The record, with the status ok, diverged, incompatible or missing-package.

    Raises:
        Exception: any that a plugin raises.
    """
    began = time.perf_counter()
    if job.missing:
        names = " and ".join(job.missing)
        return failure(
            job,
            "missing-package",
            f"{names} is not installed; run: pip install {' '.join(job.missing)}",
        )
    before = _reset_peak_memory(job.setting.device)
    try:
        with chdir(home(job)):  # specs name files relative to it
            made = _measure(job, folder, progress)
    except IncompatibleError as error:
        made = failure(job, "incompatible", str(error))
    seconds = replace(made.seconds, whole=time.perf_counter() - began)
    return replace(made, seconds=seconds, memory=max(_peak_memory(job.setting.device) - before, 0))


def _measure(job: Job, folder: Path, progress: Progress) -> Record:
    case = prepare(job)  # outside the clock of the reconstruction, as is all scoring
    scores = Scores.of(job.metrics, case, job.protocol)
    tuned = tune(job, folder, progress) if job.method.weights in ("tuned", "oracle") else None
    restored = restore(job, case, scores, progress, None if tuned is None else tuned.factor)
    tuning = restored.tuning if tuned is None else tuned.seconds
    end = restored.stop
    baseline_name, unrestored = without_method(problem_of(job, case), case.truth)
    check_inputs(job)
    names = _write_images(job, case, restored, folder)
    return replace(
        base_record(job, "diverged" if restored.reason else "ok", restored.reason),
        metrics=scores(restored.x),
        baseline=scores(unrestored),
        baseline_name=baseline_name,
        seconds=Seconds(solve=restored.solve, warm_up=restored.warm_up, tuning=tuning),
        calls=restored.calls,
        steps=restored.steps,
        stop=None if end is None else Ending(name=end.name, ok=end.ok, message=end.message),
        weights=restored.weights,
        budget=0 if tuned is None else job.tuning.budget,
        notes=restored.notes if _is_picture(case) else (*restored.notes, _SHOWN),
        curve=restored.curve,
        result_sha256=data_hash(restored.x),
        inputs={"truth": data_hash(case.truth), "measurement": data_hash(case.y)},
        score_range=None if (found := score_range(case.truth)) == (0, 1) else found,
        device=device_text(case.y.device),
        **names,
    )


_SHOWN = "the measurement is no picture, so its pseudo-inverse is shown as the measurement"


def _is_picture(case: Case) -> bool:
    return measures_images(case.operator, case.y)


def _write_images(job: Job, case: Case, restored: Restored, folder: Path) -> dict[str, Any]:
    """Write the restoration, and the shared images that no other cell has written; return names and hashes."""
    seen = case.y if _is_picture(case) else pseudo_inverse(case.operator, case.y)
    images = {"image": restored.x, "truth": case.truth, "measurement": seen}
    window = window_of(case.truth)  # the same for every method
    windows = {"truth": window, "image": window, "measurement": window.for_measurement(seen)}
    names: dict[str, Any] = {}
    hashes: dict[str, str] = {}
    for role, x in images.items():
        shown = x.shape[1] in (1, 3)  # PNG has no other number of channels
        suffix = ".png" if shown else ".tif"
        data = _encoded(windows[role](x) if shown else x.nan_to_num(0.0), suffix)
        digest = hashlib.sha256(data).hexdigest()
        path = (
            record.path_of(folder, job.key).with_suffix(suffix)
            if role == "image"
            else folder / record.IMAGES / f"{digest[:20]}{suffix}"
        )
        # Shared images are named by their content, so one that exists is the same, unless it is damaged.
        if not (is_file(path) and file_hash(path) == digest):
            with files.atomic(path, overwrite=True) as file:
                file.write(data)
        names[role], hashes[path.name] = path.name, digest
    told = {role: (windows[role].low, windows[role].high) for role in ("truth", "measurement")}
    plain = all(w == UNIT for w in windows.values())
    return names | {"files": hashes, "windows": {} if plain else told}


def _encoded(x: Tensor, suffix: str) -> bytes:
    """Return an image as the bytes of a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"image{suffix}")
        save(path, x)
        return path.read_bytes()


def _reset_peak_memory(device: str) -> int:
    """Forget earlier peaks; return the memory that is held now, in bytes."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        return 0
    with suppress(OSError):  # without this file, the peak includes what went before
        Path("/proc/self/clear_refs").write_text("5")  # 5 resets VmHWM, see proc(5)
    return resident_memory(os.getpid()) or _peak_memory(device)


def _peak_memory(device: str) -> int:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    if (most := own_memory("VmHWM")) is not None:
        return most
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # bytes on macOS, kilobytes elsewhere
