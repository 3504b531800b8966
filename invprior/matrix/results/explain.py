"""The state of a cell, and what has changed since its record was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from invprior.errors import OptionError, did_you_mean
from invprior.matrix.results.cells import Job
from invprior.matrix.results.record import Record
from invprior.matrix.results.store import Store, changed_code, limits


def cell_named(planned: list[Job], name: str) -> Job:
    """Find a cell by the beginning of its key, or by words that only its texts have.

    Args:
        planned: all cells.
        name: such as "3fa2" or "camera blur tv".

    Raises:
        OptionError: no cell matches, or several do.
    """
    keyed = [job for job in planned if job.key.startswith(name)]
    words = name.split()
    # Whole words first, so that "tv" does not also match "tv:weight=8".
    found = keyed or [job for job in planned if all(word in label(job).split() for word in words)]
    found = found or [job for job in planned if all(word in label(job) for word in words)]
    if len(found) == 1:
        return found[0]
    if not found:
        near = did_you_mean(name, [job.key for job in planned])
        raise OptionError(
            f'No cell matches "{name}"{near}. Give the beginning of its key, or words of its texts.'
        )
    some = "\n".join(f"  {job.key[:8]}  {label(job)}" for job in found[:10])
    raise OptionError(f'"{name}" matches {len(found)} cells. Give the key, or more words:\n{some}')


def label(job: Job) -> str:
    """Return a cell on one line."""
    cell = job.cell
    texts = (cell.image, cell.operator, cell.noise, cell.method, cell.solver, cell.stop)
    return " ".join([*filter(None, texts), f"seed={cell.seed}"])


def explain(store: Store, planned: list[Job], job: Job) -> list[str]:
    """Return the state of a cell, in sentences.

    Args:
        store: the folder of results.
        planned: all of its cells.
        job: one of them.
    """
    (found,) = store.inspect([job])
    record = found.record
    if found.fault:
        return [
            f"Its record or an image is damaged, so the next run computes it again: {found.fault}"
        ]
    if record is None:
        # The same texts with other resolved options or data have another key.
        older = [r for r in store.superseded(planned) if r.cell == job.cell]
        if not older:
            return ["It has no record: it has not run yet."]
        lines = [
            "It has no record with its present options and data. A record was made with others:"
        ]
        return lines + [f"  {line}" for line in differences(older[-1].options, job.options)]
    lines = [
        f"Status in its record of {record.created}: {record.status}"
        + f" ({record.reason})" * bool(record.reason)
    ]
    if found.state == "missing":
        lines.append(
            "The next run computes it again: a missing package is installed now, or a limit was raised."
        )
    if changed := changed_code(record, job):
        lines.append("Other code made the record. To replace it, run again with --refresh:")
        lines += [f"  {line}" for line in changed]
    lines += _changed_limits(record, job)
    if len(lines) == 1:
        lines.append("Nothing has changed since.")
    lines += [f"Note: {note}" for note in record.notes]
    return [*lines, f"To compute it alone: {job.replay}"]


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the options that differ, nested ones by their path, a sentence each."""
    before, after = dict(_flat(then)), dict(_flat(now))
    return [
        f"{name} was {before.get(name, 'absent')} and is {after.get(name, 'absent')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _changed_limits(record: Record, job: Job) -> Iterator[str]:
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
