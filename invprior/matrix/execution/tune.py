"""Tune weights on known true images: those of other images, or, as an oracle, the tested image's own."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from invprior.io import sealed
from invprior.io.typed import typed
from invprior.matrix.execution.curve import Progress
from invprior.matrix.execution.data import prepare
from invprior.matrix.execution.restore import problem_of, restore
from invprior.matrix.execution.scaling import factors
from invprior.matrix.execution.scoring import Scores, best_of
from invprior.matrix.results.cells import Job, check_inputs, key_of
from invprior.matrix.results.store import TUNING


@dataclass(frozen=True)
class Tuned:
    """The factor on the weights with the best mean score, and the seconds that the search took."""

    factor: float
    seconds: float


def tune(job: Job, folder: Path, progress: Progress) -> Tuned:
    """Try as many factors as the budget allows on each image, and return the best by the first metric's mean.

    Cells that differ only in the tested image share the result. It is stored in the folder of results with the time
    that it took, so that each of them reports the same cost.

    Args:
        job: the cell, its weights "tuned" or "oracle".
        folder: of the results.
        progress: called with the number of reconstructions done, and seconds.

    Raises:
        InvpriorError: the method does not fit, or nothing could be scored.
    """
    options = dict(job.options)
    if job.method.weights == "tuned":
        del options["data"]  # the tested image
    stored = folder / TUNING / f"{key_of(options)}.json"
    if (known := _stored(stored)) is not None:
        return known
    began = time.perf_counter()
    oracle = job.method.weights == "oracle"
    images = (job.cell.image,) if oracle else job.tuning.images
    cases = [prepare(job, image) for image in images]
    # The prior decides what is scaled, so any image gives the same factors.
    tries = factors(problem_of(job, cases[0]), job.tuning.budget)
    sums: list[dict[str, float]] = [{} for _ in tries]
    done = 0
    for case in cases:
        scores = Scores.of(job.metrics, case, job.protocol)
        for index, factor in enumerate(tries):
            x = restore(job, case, lambda x: {}, lambda step, seconds: None, factor).x
            for name, score in scores(x).items():
                sums[index][name] = sums[index].get(name, 0.0) + score
            done += 1
            progress(done, time.perf_counter() - began)
    check_inputs(job)
    tuned = Tuned(tries[best_of(job.metrics, sums)], time.perf_counter() - began)
    stored.parent.mkdir(exist_ok=True)
    # Atomically, because cells in other processes may read it.
    sealed.write(stored, asdict(tuned))
    return tuned


def _stored(path: Path) -> Tuned | None:
    """Return the result of an earlier search; None without one, or if its file is damaged."""
    try:
        return typed(Tuned, sealed.read(path), "the tuning")
    except ValueError:  # a MeasurementError is one
        return None
