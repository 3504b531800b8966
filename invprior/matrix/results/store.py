"""A folder of results: its configuration, its records, and which of them are up to date."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from invprior.errors import MeasurementError
from invprior.io import files
from invprior.matrix.config.matrix import Matrix, parse
from invprior.matrix.config.sections import Limits
from invprior.matrix.results import record
from invprior.matrix.results.cells import Job, Setting, jobs, parts, with_tuples
from invprior.matrix.results.record import FORMAT, FormatError, Record, check_format
from invprior.matrix.results.versions import packages, versions

MATRIX, SUPERSEDED = "matrix.json", "superseded"
State: TypeAlias = Literal["missing", "done", "failed", "stale"]


@dataclass(frozen=True)
class PlannedCell:
    """A cell of the configuration, its state and its record.

    Attributes:
        state: "missing" without a record, or with one that the next run makes again; "stale" if other code made it;
            else "done" or "failed".
    """

    job: Job
    state: State
    record: Record | None = None


@dataclass(frozen=True)
class Store:
    """A folder of results and the matrix that fills it."""

    folder: Path
    matrix: Matrix
    setting: Setting

    @staticmethod
    def open(folder: Path) -> Store:
        """Open a folder that a run has made.

        Raises:
            FormatError: an earlier or later release made it.
            MeasurementError: there is none, or it is damaged.
        """
        try:
            values = _read(folder)
            setting = Setting(**with_tuples(values["setting"]))
            matrix = parse(values["name"], values["text"])
        except FormatError:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MeasurementError(
                f'"{folder}" is no folder of results of a matrix ({error}). Name the folder that '
                '"invprior matrix run" has written.'
            ) from None
        return Store(folder, matrix, setting)

    @staticmethod
    def planned(folder: Path, name: str, text: str, setting: Setting) -> Store:
        """Describe what a run would make, and write nothing.

        Raises:
            FormatError: the folder has results of another release.
            InvpriorError: the configuration has faults.
        """
        try:
            _read(folder)
        except FormatError:
            raise
        except (OSError, ValueError):  # absent or damaged: a run writes it anew
            pass
        return Store(folder, parse(name, text), setting)

    @staticmethod
    def make(folder: Path, name: str, text: str, setting: Setting) -> Store:
        """Make the folder, or continue in it, also with another configuration.

        Raises:
            FormatError: the folder has results of another release; nothing in it is changed.
            InvpriorError: the configuration has faults, or the folder cannot be written to.
        """
        store = Store.planned(folder, name, text, setting)
        # Take the fingerprint of the source now: an edit during the run does not belong to it.
        versions()
        files.makeable(folder, "Name another folder with --output.")
        if folder.is_dir() and not (folder / MATRIX).exists() and any(folder.iterdir()):
            raise MeasurementError(
                f'"{folder}" is not empty and is no folder of results of a matrix. Name another folder with --output.'
            )
        for part in (record.RECORDS, record.IMAGES):
            (folder / part).mkdir(parents=True, exist_ok=True)
        values = {"format": FORMAT, "name": name, "text": text, "setting": asdict(setting)}
        with files.atomic(folder / MATRIX, overwrite=True) as file:
            file.write(json.dumps(values, indent=1).encode())
        return store

    def jobs(self) -> list[Job]:
        """Return all cells of the matrix; errors as for `cells.jobs`."""
        return list(jobs(self.matrix, self.setting, self.folder))

    def inspect(self, planned: Sequence[Job]) -> list[PlannedCell]:
        """Return the state of each cell, with its record.

        Raises:
            FormatError: a record is of another release.
        """
        return [self._inspect(job) for job in planned]

    def records(self) -> dict[str, Record]:
        """Return all undamaged records, by key.

        Raises:
            FormatError: a record is of another release.
        """
        return dict(self._undamaged())

    def superseded(self, planned: Sequence[Job]) -> list[Record]:
        """Return records of planned cells that were made with other options or data."""
        now = {job.cell: job.key for job in planned}
        keys = set(now.values())
        return [r for r in self.records().values() if r.key not in keys and r.cell in now]

    def tidy(self, planned: Sequence[Job]) -> int:
        """Set superseded records aside, so that no table mixes them, and write new labels into the others.

        Nothing is deleted but temporary files of writers that were killed.

        Returns:
            The number of records set aside.
        """
        for temporary in self.folder.glob("*/.*.tmp"):
            temporary.unlink(missing_ok=True)
        aside = self.superseded(planned)
        for old in aside:
            (self.folder / SUPERSEDED).mkdir(exist_ok=True)
            for name in [f"{old.key}.json", *([old.image] if old.image else [])]:
                with suppress(FileNotFoundError):  # its image may be lost
                    (self.folder / record.RECORDS / name).replace(self.folder / SUPERSEDED / name)
        # A label is no part of the key, so a renamed row keeps its record.
        for found in self.inspect(planned):
            if found.record is not None and found.record.cell != found.job.cell:
                record.save(self.folder, replace(found.record, cell=found.job.cell))
        return len(aside)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder. The system releases the lock when this process ends, however it ends.

        Raises:
            MeasurementError: another run uses it.
        """
        # The file stays: if it were removed, two runs could lock different files of this name.
        with (self.folder / ".lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise MeasurementError(
                    f'Another run uses "{self.folder}". Wait for it, end it, or name another folder.'
                ) from None
            yield

    def _inspect(self, job: Job) -> PlannedCell:
        path = self.folder / record.RECORDS / f"{job.key}.json"
        try:
            made = record.load(path)
        except FormatError:
            raise
        except MeasurementError:  # absent or damaged: the next run makes it again
            return PlannedCell(job, "missing")
        if made.status == "missing-package" and not job.missing:
            return PlannedCell(job, "missing", made)
        # With a higher limit the cell may succeed.
        if made.status in ("timeout", "out-of-memory") and _raised(made, job):
            return PlannedCell(job, "missing", made)
        # Stale also if it failed: only --refresh computes it again.
        if changed_code(made, job):
            return PlannedCell(job, "stale", made)
        good = made.status in ("ok", "incompatible")
        return PlannedCell(job, "done" if good else "failed", made)

    def _undamaged(self) -> Iterator[tuple[str, Record]]:
        for path in sorted((self.folder / record.RECORDS).glob("*.json")):
            try:
                made = record.load(path)
            except FormatError:
                raise
            except MeasurementError:
                continue
            yield made.key, made


def _read(folder: Path) -> dict[str, Any]:
    """Read a folder's configuration; refuse another format than this release's."""
    values = json.loads((folder / MATRIX).read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError(f"{MATRIX} has no JSON object")
    check_format(f'"{folder}"', values.get("format", 1))  # format 1 did not name itself here
    return values


def changed_code(made: Record, job: Job) -> list[str]:
    """Return the versions and sources that differ from those that made a record, a sentence each."""
    then = {**made.versions, **made.packages}
    now = {**versions(), **packages(parts(job))}
    return [
        f"{name} was {then.get(name, 'absent')} and is {now.get(name, 'absent')}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]


def limits(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the limits of a record or a job, as `Job.rest` has them: seconds, and memory in bytes."""
    made = Limits(**values["limits"])
    return {"seconds": made.seconds, "memory": float(made.bytes)}


def _raised(made: Record, job: Job) -> bool:
    name = "seconds" if made.status == "timeout" else "memory"
    return limits(job.rest())[name] > limits(made.job)[name]
