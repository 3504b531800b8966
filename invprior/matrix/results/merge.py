"""Merge the results of several machines into one folder; every record is verified."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from invprior.errors import MeasurementError
from invprior.io import files
from invprior.matrix.results import record
from invprior.matrix.results.cells import key_of
from invprior.matrix.results.record import Record
from invprior.matrix.results.store import MATRIX, Store


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
    stores = [Store.open(folder) for folder in sources]
    if (into / MATRIX).exists():
        stores.insert(0, Store.open(into))
    for other in stores[1:]:
        _same_matrix(stores[0], other)
    if not (into / MATRIX).exists():
        files.makeable(into, "Name another folder with --into.")
        for part in (record.RECORDS, record.IMAGES):
            (into / part).mkdir(parents=True, exist_ok=True)
        with files.atomic(into / MATRIX) as file:
            file.write((stores[0].folder / MATRIX).read_bytes())
    held = Store.open(into).records()
    taken = same = 0
    conflicts, damaged = [], []
    for folder in sources:
        for path in sorted((folder / record.RECORDS).glob("*.json")):
            try:
                theirs = record.load(path)
                _verify(folder, theirs)
            except MeasurementError as error:  # the others are still worth having
                damaged.append(str(error))
                continue
            ours = held.get(theirs.key)
            if ours is not None and _better(ours, theirs) is ours:
                if (conflict := _conflict(ours, theirs, folder)) is not None:
                    conflicts.append(conflict)
                else:
                    same += 1
                continue
            _copy(folder, into, theirs)
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


def _verify(folder: Path, made: Record) -> None:
    """Check that a record is unchanged and its files are those that it was written with.

    Raises:
        MeasurementError: they are not.
    """
    at = folder / record.RECORDS / f"{made.key}.json"
    if key_of(made.options) != made.key:
        raise MeasurementError(f"{at}: its key does not match its options; it has been changed.")
    for place, name in named_files(made):
        path = folder / place / name
        if not path.is_file():
            raise MeasurementError(f"{at}: its file {name} is missing.")
        if hashlib.sha256(path.read_bytes()).hexdigest() != made.files[name]:
            raise MeasurementError(f"{at}: its file {name} has been changed.")


def named_files(made: Record) -> list[tuple[str, str]]:
    """Return folder and name of each image of a record."""
    named = [(record.RECORDS, made.image)]
    named += [(record.IMAGES, name) for name in (made.truth, made.measurement)]
    return [(place, name) for place, name in named if name is not None]


def _better(ours: Record, theirs: Record) -> Record:
    return theirs if theirs.status == "ok" and ours.status != "ok" else ours


def _conflict(ours: Record, theirs: Record, folder: Path) -> str | None:
    """Return how two results of one cell differ, or None; failures do not contradict each other."""
    if theirs.status != "ok" or ours.result_sha256 == theirs.result_sha256:
        return None
    pairs = [
        f"{name} {ours.metrics[name]:.6g} and {theirs.metrics[name]:.6g}"
        for name in ours.metrics
        if name in theirs.metrics
    ]
    cell = ours.cell
    return (
        f"{ours.key[:8]} ({cell.image}, {cell.operator}, {cell.method}, seed {cell.seed}): "
        f"{folder} has another result, {', '.join(pairs) or 'with other bytes'}; the first was kept."
    )


def _copy(folder: Path, into: Path, made: Record) -> None:
    """Copy a record, its files first, so that it never exists without them."""
    for place, name in named_files(made):
        target = into / place / name
        with (
            files.atomic(target, overwrite=True) as file,
            (folder / place / name).open("rb") as old,
        ):
            shutil.copyfileobj(old, file)
    # The old command names a folder of the other machine.
    replay = f"invprior reproduce {into / record.RECORDS / f'{made.key}.json'}"
    record.save(into, replace(made, replay=replay))
