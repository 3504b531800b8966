"""What has changed since a cell's record was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from invprior.errors import OptionError, did_you_mean
from invprior.matrix.results.cells import Job
from invprior.matrix.results.record import Record
from invprior.matrix.results.store import Store, changed_code, limits


def cell_named(planned: list[Job], name: str) -> Job:
    """Find a cell by the beginning of its key, or by words that only its texts hold.

    Args:
        planned: all cells.
        name: such as "3fa2" or "camera blur tv".

    Raises:
        OptionError: no cell or several are meant.
    """
    keyed = [job for job in planned if job.key.startswith(name)]
    words = name.split()
    found = keyed or [job for job in planned if all(word in label(job).split() for word in words)]
    found = found or [job for job in planned if all(word in label(job) for word in words)]
    if len(found) == 1:
        return found[0]
    if not found:
        near = did_you_mean(name, [job.key for job in planned])
        raise OptionError(
            f'No cell is named "{name}"{near}. Give the beginning of a key, or words of it.'
        )
    some = "\n".join(f"  {job.key[:8]}  {label(job)}" for job in found[:10])
    raise OptionError(f'"{name}" means {len(found)} cells; give the key or more words:\n{some}')


def label(job: Job) -> str:
    """A cell on one line."""
    cell = job.cell
    texts = (cell.image, cell.operator, cell.noise, cell.method, cell.solver, cell.stop)
    return " ".join([*filter(None, texts), f"seed={cell.seed}"])


def explain(store: Store, planned: list[Job], job: Job) -> list[str]:
    """Say how a cell stands, in sentences."""
    (found,) = store.look([job])
    record = found.record
    if record is None:
        older = [r for r in store.superseded(planned) if r.cell == job.cell]
        if not older:
            return ["It has no record: it has not been run yet, or its record could not be read."]
        lines = ["It has no record with its present options and data. One was made with others:"]
        return lines + [f"  {line}" for line in differences(older[-1].options, job.options)]
    told = [
        f"Its record of {record.created} says: {record.status}"
        + f" ({record.reason})" * bool(record.reason)
    ]
    if found.state == "missing":
        told.append(
            "The next run computes it again: what was missing is there, or its limit has been raised."
        )
    if changed := changed_code(record, job):
        told.append("Other code made it; run again with --refresh to replace it:")
        told += [f"  {line}" for line in changed]
    told += _limits(record, job)
    if len(told) == 1:
        told.append("Nothing has changed since.")
    return [*told, f"Compute it alone: {job.replay}"]


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name the options that differ, nested ones by their path."""
    before, after = dict(_flat(then)), dict(_flat(now))
    return [
        f"{name} was {before.get(name, 'not there')} and is {after.get(name, 'not there')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _limits(record: Record, job: Job) -> Iterator[str]:
    then, now = limits(record.job), limits(job.rest())
    for name, value in now.items():
        if then[name] != value:
            yield f"The limit of {name} was {then[name]:g} and is {value:g}."


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
