"""The part of a record that does not depend on how its cell ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from invprior.matrix.results.cells import Job, parts
from invprior.matrix.results.record import Record, Seconds, Status
from invprior.matrix.results.versions import packages, versions


def base_record(job: Job, status: Status, reason: str = "") -> Record:
    """Return the identity and the provenance of a job, with its status and no result yet.

    Successes and failures are both made from it.
    """
    return Record(
        key=job.key,
        cell=job.cell,
        status=status,
        reason=reason,
        replay=job.replay,
        options=job.options,
        job=job.rest(),
        versions=versions(),
        packages=packages(parts(job)),  # only those used: others must not make the record stale
        threads=job.setting.threads,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def failure(job: Job, status: Status, reason: str, seconds: float = 0.0) -> Record:
    """Return the record of a cell that gave no restoration.

    Args:
        job: the cell.
        status: what went wrong.
        reason: one sentence.
        seconds: wall-clock time of the whole cell; 0 if unknown.
    """
    return replace(base_record(job, status, reason), seconds=Seconds(whole=seconds))
