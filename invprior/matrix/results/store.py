"""A folder of results: its configuration, its records, and which of them are up to date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from invprior.errors import MeasurementError
from invprior.io import files, lock, sealed, small_files, strict_json
from invprior.matrix.config.matrix import Matrix, parse
from invprior.matrix.config.sections import Limits, kept
from invprior.matrix.config.toml_table import TomlTable
from invprior.matrix.results import record
from invprior.matrix.results.cells import Job, Setting, jobs, parts
from invprior.matrix.results.hashes import is_file
from invprior.matrix.results.record import FORMAT, FormatError, Record, check_format
from invprior.matrix.results.verify import check_images, load, load_whole
from invprior.matrix.results.versions import packages, versions

MATRIX, SUPERSEDED, TUNING = "matrix.json", "superseded", "tuning"
State: TypeAlias = Literal["missing", "done", "failed", "stale"]


@dataclass(frozen=True)
class PlannedCell:
    """A cell of the configuration, its state and its record.

    Attributes:
        state: "missing" without a record, or with one that the next run makes again; "stale" if other code made it;
            else "done" or "failed".
        fault: what is wrong with a record that is there but damaged, in one sentence.
    """

    job: Job
    state: State
    record: Record | None = None
    fault: str = ""


@dataclass(frozen=True)
class Store:
    """A folder of results and the matrix that fills it.

    Attributes:
        text: of the configuration.
    """

    folder: Path
    matrix: Matrix
    setting: Setting
    text: str = field(default="", repr=False)

    @staticmethod
    def open(folder: Path) -> Store:
        """Open a folder that a run has made.

        Raises:
            FormatError: an earlier or later release made it.
            MeasurementError: there is none, or it is damaged.
        """
        try:
            values = _read(folder)
            faults: list[str] = []
            table = TomlTable(values, f'"{folder}"', faults, [])
            setting = kept(Setting.read, Setting(data=""), table, "setting")
            name, text = table.text("name"), table.text("text")
            if faults:
                raise MeasurementError(" ".join(faults))
            matrix = parse(name, text)
        except FormatError:
            raise
        except (OSError, ValueError) as error:
            raise MeasurementError(
                f'"{folder}" is no folder of results of a matrix ({error}). Name the folder that '
                '"invprior matrix run" has written.'
            ) from None
        return Store(folder, matrix, setting, text)

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
        return Store(folder, parse(name, text), setting, text)

    def begin(self) -> None:
        """Make the folder, or continue in it, also with another configuration; call this in `locked`.

        Raises:
            MeasurementError: the folder is another one's, or cannot be written to.
        """
        # Take the fingerprint of the source now: an edit during the run does not belong to it.
        versions()
        write(self.folder, self.matrix.name, self.text, self.setting)

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
        """Return all undamaged records, by key; their images may be damaged.

        Raises:
            FormatError: a record is of another release.
        """
        return self.read()[0]

    def read(self) -> tuple[dict[str, Record], list[str]]:
        """Return the same, and what is wrong with the other records and with images."""
        held: dict[str, Record] = {}
        faults = []
        for path in record.paths(self.folder):
            try:
                made = held[path.stem] = load(path)
                check_images(self.folder, made)
            except FormatError:
                raise
            except MeasurementError as error:
                faults.append(str(error))
        return held, faults

    def superseded(self, planned: Sequence[Job]) -> list[Record]:
        """Return records of planned cells that were made with other options or data."""
        now = {job.cell: job.key for job in planned}
        keys = set(now.values())
        return [r for r in self.records().values() if r.key not in keys and r.cell in now]

    def tidy(self, planned: Sequence[Job]) -> int:
        """Set superseded records aside, so that no table mixes them, and write new labels into the others.

        Nothing is deleted but temporary files of writers that were killed. Call this in `locked`.

        Returns:
            The number of records set aside.
        """
        places = (record.RECORDS, record.IMAGES, TUNING, SUPERSEDED)
        for pattern in (f".{MATRIX}.*.tmp", *(f"{place}/.*.tmp" for place in places)):
            for temporary in self.folder.glob(pattern):
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

    def _inspect(self, job: Job) -> PlannedCell:
        path = record.path_of(self.folder, job.key)
        if not is_file(path):
            return PlannedCell(job, "missing")
        try:
            made = load_whole(path)
            # With a higher limit the cell may succeed.
            raised = made.status in ("timeout", "out-of-memory") and _raised(made, job)
        except FormatError:
            raise
        except MeasurementError as error:  # damaged: the next run makes it again
            return PlannedCell(job, "missing", fault=str(error))
        if raised or (made.status == "missing-package" and not job.missing):
            return PlannedCell(job, "missing", made)
        # Stale also if it failed: only --refresh computes it again.
        if changed_code(made, job):
            return PlannedCell(job, "stale", made)
        good = made.status in ("ok", "incompatible")
        return PlannedCell(job, "done" if good else "failed", made)


def write(folder: Path, name: str, text: str, setting: Setting) -> None:
    """Make a folder of results and write its configuration; an older one is replaced. Call this in `locked`.

    Raises:
        MeasurementError: the folder has other files, or cannot be written to.
    """
    if folder.is_dir() and not (folder / MATRIX).exists() and any(folder.iterdir()):
        raise MeasurementError(
            f'"{folder}" is not empty and is no folder of results of a matrix. Name another folder.'
        )
    for part in (record.RECORDS, record.IMAGES):
        (folder / part).mkdir(parents=True, exist_ok=True)
    facts = {"format": FORMAT, "name": name, "text": text, "setting": asdict(setting)}
    sealed.write(folder / MATRIX, facts)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs and merges out of a folder of results, which need not exist yet.

    Raises:
        MeasurementError: another one uses it, or the folder cannot be made.
    """
    files.makeable(folder, "Name another folder.")
    if not folder.absolute().name:
        raise MeasurementError(f'"{folder}" is the root of all files. Name a folder inside it.')
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    lock.acquire(folder)
    try:
        yield
    finally:
        lock.release(folder)


def _read(folder: Path) -> dict[str, Any]:
    """Read a folder's configuration; refuse another format than this release's."""
    values = strict_json.loads(small_files.read_text(folder / MATRIX))
    if isinstance(values, dict) and sealed.SEAL not in values:  # as formats 1 and 2
        check_format(f'"{folder}"', values.get("format", 1))  # format 1 did not name itself here
    values = sealed.checked(values)
    check_format(f'"{folder}"', values.pop("format", None))
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
    """Return the limits of a record or a job, as `Job.rest` has them: seconds, and memory in bytes.

    Raises:
        MeasurementError: they are damaged.
    """
    faults: list[str] = []
    made = kept(Limits.read, Limits(), TomlTable(values, "the job", faults, []), "limits")
    if faults:
        raise MeasurementError(" ".join(faults))
    return {"seconds": made.seconds, "memory": float(made.bytes)}


def _raised(made: Record, job: Job) -> bool:
    name = "seconds" if made.status == "timeout" else "memory"
    return limits(job.rest())[name] > limits(made.job)[name]
