"""Weights tuned with a truth in hand: that of other images, or, as an oracle, the tested image's own."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from invprior.io import files
from invprior.matrix.execution.data import prepare
from invprior.matrix.execution.look import Tell
from invprior.matrix.execution.restore import problem_of, restore
from invprior.matrix.execution.scaling import factors
from invprior.matrix.execution.scoring import Scores, best_of
from invprior.matrix.results.cells import Job, key_of

FOLDER = "tuning"


@dataclass(frozen=True)
class Tuned:
    """The factor on the weights that was best on average, and the seconds that finding it took."""

    factor: float
    seconds: float


def tune(job: Job, folder: Path, tell: Tell) -> Tuned:
    """Try as many factors as the budget says on each image, and take the best by the first metric's mean.

    Cells that differ in nothing but the tested image share the result, which is kept below the folder of results
    with the time that it took, so each of them tells the same cost.

    Args:
        job: the cell, its weights "tuned" or "oracle".
        folder: of the results.
        tell: told of the number of reconstructions done, and seconds.

    Raises:
        InvpriorError: the method does not fit, or nothing could be scored.
    """
    options = dict(job.options)
    if job.method.weights == "tuned":
        del options["data"]
    kept = folder / FOLDER / f"{key_of(options)}.json"
    if kept.is_file():
        return Tuned(**json.loads(kept.read_text()))
    began = time.perf_counter()
    oracle = job.method.weights == "oracle"
    images = (job.cell.image,) if oracle else job.tuning.images
    cases = [prepare(job, image) for image in images]
    tries = factors(problem_of(job, cases[0]), job.tuning.budget)
    sums: list[dict[str, float]] = [{} for _ in tries]
    done = 0
    for case in cases:
        scores = Scores.of(job.metrics, case, job.protocol)
        for index, factor in enumerate(tries):
            x = restore(job, case, lambda x: {}, lambda step, seconds: None, factor).x
            for name, figure in scores(x).items():
                sums[index][name] = sums[index].get(name, 0.0) + figure
            done += 1
            tell(done, time.perf_counter() - began)
    tuned = Tuned(tries[best_of(job.metrics, sums)], time.perf_counter() - began)
    kept.parent.mkdir(exist_ok=True)
    with files.atomic(kept, overwrite=True) as file:
        file.write(json.dumps(asdict(tuned)).encode())
    return tuned
