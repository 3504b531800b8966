"""The record of a cell: one JSON file, complete or absent.

A folder of results has

    records/KEY.json    the record of a cell, see `Record`
    records/KEY.png     its restoration, 8 bits (KEY.tif where PNG cannot hold it)
    images/HASH.png     truths and measurements, named by their content and so stored once for all cells

KEY is a hash of what determines the result: the resolved options, the data's bytes and the seed. A record holds the
hashes of its images and of itself, so damage is seen. A folder may come from somebody else: no name in a record leads
out of it, and nothing in a record is run.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from invprior.errors import MeasurementError
from invprior.io import files, sealed, small_files, strict_json
from invprior.io.typed import typed

FORMAT = 3  # of records and folders; raised when a field changes its name or its meaning
RECORDS, IMAGES = "records", "images"

# In the order in which tables count them.
Status: TypeAlias = Literal[
    "ok", "diverged", "timeout", "out-of-memory", "incompatible", "missing-package", "crashed"
]
Weights: TypeAlias = Literal["fixed", "automatic", "tuned", "oracle"]
STATUSES: tuple[Status, ...] = get_args(Status)


class FormatError(MeasurementError):
    """A record, or a folder of them, has another format than this release writes."""


def check_format(what: str, found: object) -> None:
    """Refuse another format than `FORMAT`.

    Raises:
        FormatError: names the thing, both formats and the remedy.
    """
    if found != FORMAT:
        raise FormatError(
            f"{what} has format {found}, and this release of invprior reads and writes format {FORMAT}. Use the "
            "release that wrote it, or run the matrix again with another --output."
        )


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of the matrix, each axis as its text.

    Attributes:
        method: the row's name in tables: the label in the configuration, else the prior.
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
    """Why a run ended, as `Solution.stop`: the rule's name, whether the end is regular, one sentence."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Wall-clock time of a cell, in seconds, with the device synchronised.

    Attributes:
        solve: the reconstruction alone.
        warm_up: a first step whose result is discarded; it loads libraries and fills caches.
        tuning: the choice of the weights.
        whole: the whole cell: reading, measuring and scoring, and all of the above.
    """

    solve: float = 0.0
    warm_up: float = 0.0
    tuning: float = 0.0
    whole: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Record:
    """The result of a cell, or the reason why it has none.

    Attributes:
        key: hexadecimal; the file's name.
        status: "ok", also for a run that ended at its limit of steps; else what went wrong.
        reason: one sentence if the status is not "ok", else "".
        replay: the command that computes this cell again; `load` makes it anew for the place of the file.
        metrics: scores of the restoration by the metric's name; empty without a restoration.
        baseline: scores without a method: of the measurement, or of its damped pseudo-inverse where the measurement
            has another size than the image.
        baseline_name: which of them, "measurement" or "pseudo-inverse"; "" in records that do not tell.
        memory: peak of the cell in bytes: on the CPU what it held beyond Python and its libraries, on a GPU what it
            allocated there.
        calls: applications of the operator: "forward" and "adjoint".
        steps: iterations, summed over all runs of a method that averages several.
        weights: the source of the prior's weights.
        budget: number of weights that the tuning tried; 0 without tuning.
        notes: what the run told the user, one sentence each.
        curve: rows of step, seconds and one score per metric, in order.
        image, truth, measurement: names of files below records/ and images/; None without one.
        files: SHA-256 of each of those files, by name.
        windows: the intensities that the files show as black and white, by role: "truth", which is that of "image" too,
            and "measurement"; empty if all are [0, 1].
        score_range: the lowest and the highest intensity that PSNR and SSIM count with; None for [0, 1].
        result_sha256: of the restoration's numbers, before rounding to 8 bits; "" without one.
        options: what the key is a hash of.
        inputs: SHA-256 of the data by role: "truth", "measurement".
        versions: of invprior, Python and the numeric libraries; "code" is a fingerprint of invprior's source.
        packages: version and fingerprint of each plugin package used.
        job: what else is needed to compute the cell again: method, setting, protocol, tuning, limits, metrics.
        created: ISO 8601, UTC.
    """

    key: str
    cell: Cell
    status: Status
    reason: str
    replay: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    baseline_name: Literal["measurement", "pseudo-inverse", ""] = ""
    seconds: Seconds = field(default_factory=Seconds)
    memory: int = 0
    calls: Mapping[str, int] = field(default_factory=dict)
    steps: int = 0
    stop: Ending | None = None
    weights: Weights = "fixed"
    budget: int = 0
    notes: tuple[str, ...] = ()
    curve: tuple[Mapping[str, float], ...] = ()
    image: str | None = None
    truth: str | None = None
    measurement: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    score_range: tuple[float, float] | None = None
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
        """Print the record as strict JSON, with its checksum."""
        return sealed.seal(asdict(self))

    @staticmethod
    def from_json(text: str) -> Record:
        """Read what `to_json` printed.

        Raises:
            FormatError: the record has another format.
            MeasurementError: the text is damaged.
        """
        try:
            values = strict_json.loads(text)
            if isinstance(values, dict) and sealed.SEAL not in values:  # as formats 1 and 2
                check_format("This record", values["format"])
            values = sealed.checked(values)
            check_format("This record", values["format"])
            made = typed(Record, values, "the record")
            _check(made)
        except FormatError:
            raise
        except (ValueError, KeyError) as error:
            raise MeasurementError(f"This record cannot be read: {error}.") from error
        return made

    @property
    def places(self) -> dict[str, tuple[str, str]]:
        """Folder and name of each image, by role."""
        where = {"image": RECORDS, "truth": IMAGES, "measurement": IMAGES}
        named = {role: (place, getattr(self, role)) for role, place in where.items()}
        return {role: (place, name) for role, (place, name) in named.items() if name is not None}


def _check(made: Record) -> None:
    """Refuse values of the right type that no run writes.

    Raises:
        ValueError: the message names one.
    """
    if not re.fullmatch("[0-9a-f]{1,64}", made.key):
        raise ValueError("its key is not hexadecimal")
    for role, (place, name) in made.places.items():
        files.inside(Path(place), name)
        # So that no record names the image of another one.
        stem = made.key if role == "image" else made.files.get(name, "")[:20]
        if name not in (f"{stem}.png", f"{stem}.tif") or name not in made.files:
            raise ValueError(f"its {role} has the name {name}, which is not that of its content")
    amounts = (*asdict(made.seconds).values(), made.memory, made.steps, made.threads, made.budget)
    if not all(0 <= n < math.inf for n in amounts):
        raise ValueError("a time, a size or a number of its is below 0 or not finite")
    pairs = [*made.windows.values(), *([made.score_range] if made.score_range else [])]
    if not all(-math.inf < low <= high < math.inf for low, high in pairs):
        raise ValueError("a range of its intensities is none")
    if made.windows and not {"truth", "measurement"} <= made.windows.keys():
        raise ValueError("a window of its images is missing")


def path_of(folder: Path, key: str) -> Path:
    """Return the path of a cell's record in a folder of results."""
    return files.inside(folder / RECORDS, f"{key}.json")


def replay_of(path: Path) -> str:
    """Return the command that computes the cell of a record again, quoted for a shell."""
    text = str(path)
    return shlex.join(["invprior", "reproduce", f"./{text}" if text.startswith("-") else text])


def save(folder: Path, record: Record) -> Path:
    """Write a record into a folder of results, atomically; an older one is replaced."""
    path = path_of(folder, record.key)
    with files.atomic(path, overwrite=True) as file:
        file.write(record.to_json().encode())
    return path


def load(path: Path) -> Record:
    """Read one record; errors name the file. Its images are not looked at, see `verify.load_whole`.

    Raises:
        FormatError: it has another format.
        MeasurementError: there is none, it is damaged, or it is that of another cell.
    """
    text = small_files.read_text(path)
    try:
        made = Record.from_json(text)
    except MeasurementError as error:
        raise type(error)(f"{path}: {error}") from error
    if made.key != path.stem:
        raise MeasurementError(f"{path}: this record is that of another cell, {made.key}.")
    # Whoever wrote the file does not choose what users are told to run.
    return replace(made, replay=replay_of(path))


def paths(folder: Path) -> list[Path]:
    """Return the paths of the records of a folder of results, in the order of their keys."""
    return sorted((folder / RECORDS).glob("*.json"))
