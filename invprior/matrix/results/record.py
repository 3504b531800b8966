"""What a cell of the matrix leaves behind: one JSON file, whole or absent.

A folder of results holds

    records/KEY.json    the record of a cell, see `Record`
    records/KEY.png     its restoration, 8 bits (KEY.tif where PNG cannot hold it)
    images/*.png      truths and measurements, stored once for all cells that share them

KEY is a hash of what determines the result: the resolved options, the data's bytes and the seed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from invprior.errors import MeasurementError
from invprior.io import files

FORMAT = 1
RECORDS, IMAGES = "records", "images"

Status: TypeAlias = Literal[
    "ok", "diverged", "timeout", "out-of-memory", "incompatible", "missing-package", "crashed"
]
Weights: TypeAlias = Literal["fixed", "automatic", "tuned", "oracle"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of the matrix, each axis as its text.

    Attributes:
        method: the row's name in tables: the label of the configuration, else the prior.
        noise: the spec of the simulated noise; "" where the measurement is given.
        solver: "auto" unless the configuration names one.
        stop: "" for the solver's own rule.
    """

    image: str
    operator: str
    noise: str
    method: str
    prior: str
    solver: str
    stop: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Why a run ended, as in `Solution.stop`: the rule's name, whether it is a good end, one sentence."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Wall-clock time of a cell, in seconds, the device synchronised.

    Attributes:
        solve: the reconstruction alone.
        warm_up: a first, discarded piece of work that loads libraries and fills caches.
        tuning: the choice of the weight, where it was tuned.
        whole: all of the cell: reading, measuring, scoring and the above.
    """

    solve: float = 0.0
    warm_up: float = 0.0
    tuning: float = 0.0
    whole: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Record:
    """The result of a cell, or why there is none.

    Attributes:
        key: hexadecimal; the file's name.
        status: "ok", also for a run that ended at its limit of steps, or what went wrong.
        reason: one sentence where the status is not "ok", else "".
        replay: the command that computes this cell again.
        metrics: figures of the restoration by the metric's name; empty without a restoration.
        baseline: the same figures of the best simple reconstruction: the measurement, or the damped
            pseudo-inverse where its size is another.
        memory: the cell's peak, in bytes: on the CPU what it held beyond Python and its libraries, on a GPU what was
            allocated there.
        calls: how often the operator was applied: "forward" and "adjoint".
        steps: iterations, the sum over all runs of a method that averages several.
        weights: where the prior's weight comes from.
        budget: how many weights the tuning tried; 0 without tuning.
        curve: rows of step, seconds and one figure per metric, in order.
        image, truth, measurement: file names below records/ and images/, None where there is none.
        files: SHA-256 of each of those files, by name.
        result_sha256: of the restoration's numbers, before rounding to 8 bits; "" without one.
        options: what the key is a hash of.
        inputs: SHA-256 of the data by role: "truth", "measurement".
        versions: of invprior, Python and the numeric libraries, and "code", a fingerprint of invprior's source;
            packages: version and fingerprint of each plugin package used.
        job: what else it takes to compute the cell again: method, setting, protocol, tuning, limits, metrics.
        created: ISO 8601, UTC.
    """

    key: str
    cell: Cell
    status: Status
    reason: str
    replay: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    seconds: Seconds = field(default_factory=Seconds)
    memory: int = 0
    calls: Mapping[str, int] = field(default_factory=dict)
    steps: int = 0
    stop: Ending | None = None
    weights: Weights = "fixed"
    budget: int = 0
    curve: tuple[Mapping[str, float], ...] = ()
    image: str | None = None
    truth: str | None = None
    measurement: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    result_sha256: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    job: Mapping[str, Any] = field(default_factory=dict)
    device: str = ""
    threads: int = 0
    created: str = ""
    format: int = FORMAT

    def to_json(self) -> str:
        """Print the record as strict JSON; infinities and NaN, which JSON lacks, as text."""
        return json.dumps(_strict(asdict(self)), indent=1, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> Record:
        """Read what `to_json` printed.

        Raises:
            MeasurementError: the text is damaged, or of another format.
        """
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                raise MeasurementError(
                    f"This record has the format {values['format']}, and this invprior reads {FORMAT}. "
                    "Install the invprior that wrote it, or run the matrix again in another folder."
                )
            names = {f.name for f in fields(Record)}
            given = {k: v for k, v in values.items() if k in names}
            given |= {k: _numbers(given[k]) for k in ("metrics", "baseline", "curve") if k in given}
            given["cell"] = Cell(**given["cell"])
            given["seconds"] = Seconds(**given["seconds"])
            given["stop"] = None if given["stop"] is None else Ending(**given["stop"])
            given["curve"] = tuple(given["curve"])
            return Record(**given)
        except (ValueError, KeyError, TypeError) as error:
            raise MeasurementError(f"This record cannot be read: {error}.") from error


def save(folder: Path, record: Record) -> Path:
    """Write a record below a folder of results; it appears whole, in the place of an older one."""
    path = folder / RECORDS / f"{record.key}.json"
    with files.atomic(path, overwrite=True) as file:
        file.write(record.to_json().encode())
    return path


def load(path: Path) -> Record:
    """Read one record.

    Raises:
        MeasurementError: there is none, or it is damaged; names the file.
    """
    try:
        return Record.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MeasurementError(f'Cannot read the record "{path}": {error}.') from error
    except MeasurementError as error:
        raise MeasurementError(f"{path}: {error}") from error


def load_all(folder: Path) -> Iterator[Record]:
    """Read the records of a folder of results, in the order of their keys; errors as `load`."""
    for path in sorted((folder / RECORDS).glob("*.json")):
        yield load(path)


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _strict(v) for k, v in value.items()}
    return [_strict(v) for v in value] if isinstance(value, list | tuple) else value


def _numbers(value: Any) -> Any:
    """Turn figures that stand as text back into numbers."""
    if isinstance(value, str) and value in ("inf", "-inf", "nan"):
        return float(value)
    if isinstance(value, dict):
        return {k: _numbers(v) for k, v in value.items()}
    return [_numbers(v) for v in value] if isinstance(value, list) else value
