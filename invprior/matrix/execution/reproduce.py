"""Compute a record again, and compare the results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from invprior.errors import InvpriorError
from invprior.matrix.execution.pool import ProcessPool
from invprior.matrix.results import record
from invprior.matrix.results.cells import Job, keyed
from invprior.matrix.results.explain import differences
from invprior.matrix.results.record import Record
from invprior.matrix.results.store import changed_code


@dataclass(frozen=True)
class Comparison:
    """The outcome of a second run.

    Attributes:
        matches: whether the result is the same to the last bit, or the same failure.
        differences: in scores, steps and status, a sentence each.
        causes: what has changed since and may explain the differences, a sentence each.
        again: the new record.
    """

    matches: bool
    differences: tuple[str, ...]
    causes: tuple[str, ...]
    again: Record


def reproduce(path: Path, folder: Path, data: str | None = None) -> Comparison:
    """Compute the cell of a record again, in a process of its own as the first time.

    Args:
        path: of the record.
        folder: an empty one, for the new record and its images.
        data: the folder of the images, if it has moved.

    Raises:
        MeasurementError: the record cannot be read, or its images are gone.
    """
    old = record.load(path)
    try:
        bare = Job.of(old.job, old.cell)
        setting = replace(bare.setting, data=data or bare.setting.data)
        # The key is computed anew: options, data and packages may have changed since.
        job = keyed(replace(bare, setting=setting), folder)
    except InvpriorError as error:
        raise type(error)(f"{path}: this record cannot be computed again. {error}") from error
    for part in (record.RECORDS, record.IMAGES):
        (folder / part).mkdir()
    with ProcessPool(1, job.setting.threads, folder) as pool:
        for _ in pool.run([job]):
            pass
    again = record.load(folder / record.RECORDS / f"{job.key}.json")
    return compare(old, again, job)


def compare(old: Record, again: Record, job: Job) -> Comparison:
    """Compare two records of a cell."""
    causes = [*differences(old.options, job.options), *changed_code(old, job)]
    causes += [
        f"the {role} had other data"
        for role in old.inputs
        if old.inputs[role] != again.inputs.get(role)
    ]
    found = []
    if old.status != again.status:
        found.append(f"it was {old.status} and is {again.status} ({again.reason or 'no reason'})")
    for name in sorted({*old.metrics, *again.metrics}):
        then, now = old.metrics.get(name), again.metrics.get(name)
        if then != now:
            found.append(f"{name} was {_score(then)} and is {_score(now)}")
    if old.steps != again.steps:
        found.append(f"it took {old.steps} steps and now takes {again.steps}")
    # Scores may agree although the restorations differ.
    if not found and old.result_sha256 != again.result_sha256:
        found.append("the restoration differs in its last bits")
    # Both change the order in which numbers are added up.
    if (old.device, old.threads) != (again.device, again.threads):
        now_on = f"{again.device} with {again.threads}"
        causes.append(f"it ran on {old.device} with {old.threads} threads, and now on {now_on}")
    return Comparison(not found, tuple(found), tuple(causes), again)


def _score(value: float | None) -> str:
    return "absent" if value is None else f"{value:.6g}"
