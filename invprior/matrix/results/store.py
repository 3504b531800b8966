"""A folder of results: its configuration, its records, and which of them still stand."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from invprior.errors import MeasurementError
from invprior.io import files
from invprior.matrix.config import matrix as config
from invprior.matrix.config.matrix import Limits, Matrix
from invprior.matrix.results import record
from invprior.matrix.results.cells import Job, Setting, jobs, parts
from invprior.matrix.results.record import Record
from invprior.matrix.results.versions import packages, versions

MATRIX, SUPERSEDED = "matrix.json", "superseded"
State: TypeAlias = Literal["missing", "done", "failed", "stale"]


@dataclass(frozen=True)
class Found:
    """A planned cell and its record.

    Attributes:
        state: "missing" without a record, or one that should be made again by itself; "stale" where other code made
            it; else "done" or "failed".
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
            MeasurementError: there is none, or it is damaged.
        """
        try:
            values = json.loads((folder / MATRIX).read_text(encoding="utf-8"))
            setting = Setting(**values["setting"])
            matrix = config.parse(values["name"], values["text"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MeasurementError(
                f'"{folder}" holds no results of a matrix ({error}). Name the folder that "invprior matrix run" '
                "has written."
            ) from None
        return Store(folder, matrix, setting)

    @staticmethod
    def make(folder: Path, name: str, text: str, setting: Setting) -> Store:
        """Make the folder, or take it up with another configuration.

        Raises:
            InvpriorError: the configuration is faulty, or the folder cannot be written to.
        """
        matrix = config.parse(name, text)
        versions()  # of the source as it is now: an edit during a run is no part of it
        files.makeable(folder, "Name another folder with --output.")
        if folder.is_dir() and not (folder / MATRIX).exists() and any(folder.iterdir()):
            raise MeasurementError(
                f'"{folder}" is not empty and holds no results of a matrix. Name another folder with --output.'
            )
        for part in (record.RECORDS, record.IMAGES):
            (folder / part).mkdir(parents=True, exist_ok=True)
        values = {"name": name, "text": text, "setting": asdict(setting)}
        with files.atomic(folder / MATRIX, overwrite=True) as file:
            file.write(json.dumps(values, indent=1).encode())
        return Store(folder, matrix, setting)

    def jobs(self) -> list[Job]:
        """All cells of the matrix; errors as for `cells.jobs`."""
        return list(jobs(self.matrix, self.setting, self.folder))

    def look(self, planned: Sequence[Job]) -> list[Found]:
        """Say of every cell whether it has a record and whether that stands."""
        return [self._find(job) for job in planned]

    def records(self) -> dict[str, Record]:
        """All records that can be read, by key."""
        return dict(self._readable())

    def superseded(self, planned: Sequence[Job]) -> list[Record]:
        """Records of planned cells under other options or data than they have now."""
        now = {job.cell: job.key for job in planned}
        keys = set(now.values())
        return [r for r in self.records().values() if r.key not in keys and r.cell in now]

    def tidy(self, planned: Sequence[Job]) -> int:
        """Put superseded records aside, and write new labels into the others; return how many were put aside.

        So no table mixes them. Nothing is deleted but what writers that were killed have left half-written.
        """
        for torn in self.folder.glob("*/.*.tmp"):
            torn.unlink(missing_ok=True)
        aside = self.superseded(planned)
        for old in aside:
            (self.folder / SUPERSEDED).mkdir(exist_ok=True)
            for name in [f"{old.key}.json", *([old.image] if old.image else [])]:
                with suppress(FileNotFoundError):
                    (self.folder / record.RECORDS / name).replace(self.folder / SUPERSEDED / name)
        for found in self.look(planned):
            if found.record is not None and found.record.cell != found.job.cell:
                record.save(self.folder, replace(found.record, cell=found.job.cell))
        return len(aside)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder; the system frees it when this process ends, however it ends.

        Raises:
            MeasurementError: another run works in it.
        """
        with (self.folder / ".lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise MeasurementError(
                    f'Another run works in "{self.folder}". Wait for it, end it, or name another folder.'
                ) from None
            yield

    def _find(self, job: Job) -> Found:
        path = self.folder / record.RECORDS / f"{job.key}.json"
        try:
            made = record.load(path)
        except MeasurementError:  # none, or damaged: to be made again
            return Found(job, "missing")
        if made.status == "missing-package" and not job.missing:
            return Found(job, "missing", made)
        if made.status in ("timeout", "out-of-memory") and _raised(made, job):
            return Found(job, "missing", made)
        if changed_code(made, job):
            return Found(job, "stale", made)
        good = made.status in ("ok", "incompatible")
        return Found(job, "done" if good else "failed", made)

    def _readable(self) -> Iterator[tuple[str, Record]]:
        for path in sorted((self.folder / record.RECORDS).glob("*.json")):
            with suppress(MeasurementError):
                made = record.load(path)
                yield made.key, made


def changed_code(made: Record, job: Job) -> list[str]:
    """Say which versions, or sources, are others than those that made a record."""
    then = {**made.versions, **made.packages}
    now = {**versions(), **packages(parts(job))}
    return [
        f"{name} was {then.get(name, 'not there')} and is {now.get(name, 'not there')}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]


def limits(values: Mapping[str, Any]) -> dict[str, float]:
    """The limits that a record or a job (as `Job.rest` gives it) tells: seconds, and memory in bytes."""
    made = Limits(**values["limits"])
    return {"seconds": made.seconds, "memory": float(made.bytes)}


def _raised(made: Record, job: Job) -> bool:
    name = "seconds" if made.status == "timeout" else "memory"
    return limits(job.rest())[name] > limits(made.job)[name]


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
