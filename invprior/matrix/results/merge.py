"""Merge the results of several machines into one folder; every record is verified."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from invprior.errors import MeasurementError
from invprior.io import files
from invprior.matrix.results import record
from invprior.matrix.results.record import FormatError, Record, path_of, replay_of
from invprior.matrix.results.store import MATRIX, Store, locked, write
from invprior.matrix.results.verify import load_whole


@dataclass(frozen=True)
class Merged:
    """The outcome of a merge.

    Attributes:
        taken: number of records copied.
        same: number of records that the folder had already.
        conflicts: cells with different results in two folders, a sentence each; the first result was kept.
        damaged: records that were left out, a sentence each.
    """

    taken: int
    same: int
    conflicts: tuple[str, ...]
    damaged: tuple[str, ...]


def merge(sources: Sequence[Path], into: Path) -> Merged:
    """Copy the records of several folders into one, new or of the same matrix.

    The record of a cell that succeeded replaces one that failed.

    Raises:
        MeasurementError: the folders are not of one matrix, or cannot be read or written.
    """
    with locked(into):
        return _merge(sources, into)


def _merge(sources: Sequence[Path], into: Path) -> Merged:
    stores = [Store.open(folder) for folder in sources]
    if (into / MATRIX).exists():
        stores.insert(0, Store.open(into))
    for other in stores[1:]:
        _same_matrix(stores[0], other)
    if not (into / MATRIX).exists():
        first = stores[0]
        write(into, first.matrix.name, first.text, first.setting)
    held = {r.key: r for p in record.paths(into) if (r := _whole(p)) is not None}
    taken = same = 0
    conflicts, damaged = [], []
    for folder in sources:
        for path in record.paths(folder):
            try:
                theirs = load_whole(path)
                ours = held.get(theirs.key)
                if ours is not None and _better(ours, theirs) is ours:
                    if (conflict := _conflict(ours, theirs, folder)) is not None:
                        conflicts.append(conflict)
                    else:
                        same += 1
                    continue
                _copy(folder, into, theirs)
            except MeasurementError as error:  # the others are still worth having
                damaged.append(str(error))
                continue
            held[theirs.key] = theirs  # later folders are compared with it
            taken += 1
    return Merged(taken, same, tuple(conflicts), tuple(damaged))


def _same_matrix(one: Store, other: Store) -> None:
    differing = [
        name
        for name, same in (
            ("configuration", one.matrix == other.matrix),
            ("size", one.setting.size == other.setting.size),
            # Threads and the data's folder may differ between machines.
            ("device", one.setting.device == other.setting.device),
        )
        if not same
    ]
    if differing:
        raise MeasurementError(
            f'"{other.folder}" and "{one.folder}" are not of one matrix: they differ in {" and ".join(differing)}. '
            "Run both with the same configuration, and divide the cells with --only."
        )


def _whole(path: Path) -> Record | None:
    """Return a record; None if it or one of its images is damaged, so that another takes its place."""
    try:
        return load_whole(path)
    except FormatError:
        raise
    except MeasurementError:
        return None


def _better(ours: Record, theirs: Record) -> Record:
    return theirs if theirs.status == "ok" and ours.status != "ok" else ours


def _conflict(ours: Record, theirs: Record, folder: Path) -> str | None:
    """Return how two results of one cell differ, or None; failures do not contradict each other."""
    shared = [name for name in ours.metrics if name in theirs.metrics]
    same = all(_close(ours.metrics[name], theirs.metrics[name]) for name in shared)
    if theirs.status != "ok" or (same and ours.result_sha256 == theirs.result_sha256):
        return None
    pairs = [f"{name} {ours.metrics[name]:.6g} and {theirs.metrics[name]:.6g}" for name in shared]
    cell = ours.cell
    return (
        f"{ours.key[:8]} ({cell.image}, {cell.operator}, {cell.method}, seed {cell.seed}): "
        f"{folder} has another result, {', '.join(pairs) or 'with other bytes'}; the first was kept."
    )


def _close(a: float, b: float) -> bool:
    # Another machine may add the same numbers in another order.
    return math.isclose(a, b, rel_tol=1e-5) or (math.isnan(a) and math.isnan(b))


def _copy(folder: Path, into: Path, made: Record) -> None:
    """Copy a record, its files first, so that it never exists without them.

    Raises:
        MeasurementError: a file has changed since it was verified, or the folder cannot be written to.
    """
    for place, name in made.places.values():
        data = (folder / place / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != made.files[name]:
            raise MeasurementError(
                f"{path_of(folder, made.key)}: its file {name} has been changed."
            )
        with files.atomic(into / place / name, overwrite=True) as file:
            file.write(data)
    # The old command names a folder of the other machine.
    record.save(into, replace(made, replay=replay_of(path_of(into, made.key))))
