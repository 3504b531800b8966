"""Expand a configuration into cells, each with a key that decides whether its record is up to date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from invprior.errors import MeasurementError, OptionError
from invprior.io.samples import PREFIX
from invprior.matrix.config import specs
from invprior.matrix.config.matrix import Matrix
from invprior.matrix.config.method import Method
from invprior.matrix.config.sections import Limits, Protocol, Tuning, kept
from invprior.matrix.config.toml_table import TomlTable
from invprior.matrix.results.expand import expanded
from invprior.matrix.results.hashes import file_hash, is_file
from invprior.matrix.results.record import Cell, path_of, replay_of

SCHEME = 1  # of `resolved`, below; raised when the same options come to mean another cell


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Settings of a run that hold for all cells and are no axis.

    Attributes:
        data: the folder that images are relative to.
        others: more folders in which files named in specs may lie, see `home`.
        size: images are cropped around their centre to at most this height and width; 0 for no crop.
        device: "cpu", "cuda" and the like.
        threads: of each cell.
    """

    data: str
    others: tuple[str, ...] = ()
    size: int = 0
    device: str = "cpu"
    threads: int = 1

    @staticmethod
    def read(table: TomlTable) -> Setting:
        """Read a setting that JSON has kept; faults are added to the table's."""
        setting = Setting(
            data=table.text("data"),
            others=tuple(table.items("others", (str,), "strings") or ()),
            size=table.integer("size", 0),
            device=table.text("device", "cpu"),
            threads=table.integer("threads", 1, least=1),
        )
        table.finish()
        return setting


@dataclass(frozen=True, kw_only=True)
class Job:
    """A cell and everything that its own process needs, in types that JSON has.

    Attributes:
        missing: packages that must be installed first.
        options: what the key is a hash of.
        replay: the command that computes the cell again.
    """

    key: str
    cell: Cell
    method: Method
    setting: Setting
    protocol: Protocol
    tuning: Tuning
    limits: Limits
    metrics: tuple[str, ...]
    missing: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    replay: str = ""

    def rest(self) -> dict[str, Any]:
        """Return what a record keeps besides the cell, its key and its options, in types that JSON has."""
        known = asdict(self)
        names = ("method", "setting", "protocol", "tuning", "limits", "metrics", "missing")
        return {name: known[name] for name in names}

    def to_json(self) -> str:
        """Print on one line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Job:
        """Read what `to_json` printed."""
        values = json.loads(text)
        job = Job.of(values, Cell(**values["cell"]))
        return replace(job, **{name: values[name] for name in ("key", "options", "replay")})

    @staticmethod
    def of(values: Mapping[str, Any], cell: Cell) -> Job:
        """Make a job from what JSON has kept of it; the inverse of `rest`.

        Raises:
            MeasurementError: a value is not one that a configuration may have.
        """
        faults: list[str] = []
        table = TomlTable(values, "the job", faults, [])
        job = Job(
            key="",
            cell=cell,
            method=kept(lambda t: Method.read(t.values, 1, t), Method(label=""), table, "method"),
            setting=kept(Setting.read, Setting(data=""), table, "setting"),
            protocol=kept(Protocol.read, Protocol(), table, "protocol"),
            tuning=kept(Tuning.read, Tuning(), table, "tuning"),
            limits=kept(Limits.read, Limits(), table, "limits"),
            metrics=tuple(table.items("metrics", (str,), "strings") or ()),
            missing=tuple(table.items("missing", (str,), "strings") or ()),
        )
        if faults:
            raise MeasurementError(" ".join(faults))
        return job

    @property
    def seconds(self) -> float:
        """The time limit. Each reconstruction of the tuning may take as long as the cell's own."""
        tries = self.tuning.budget if self.method.weights in ("tuned", "oracle") else 0
        images = len(self.tuning.images) if self.method.weights == "tuned" else 1
        return self.limits.seconds * (1 + tries * images)


def jobs(matrix: Matrix, setting: Setting, folder: Path) -> Iterator[Job]:
    """Yield every cell, in the order of the axes.

    Args:
        matrix: the configuration.
        setting: everything that is no axis.
        folder: of the results, for the commands that replay cells.

    Raises:
        MeasurementError: an image is missing.
        OptionError: two cells are the same under different names.
    """
    seen: dict[str, Job] = {}
    for cell, method in expanded(matrix):
        made = job(cell, method, matrix, setting, folder)
        # Labels are no part of the key, so two rows can be the same cell.
        other = seen.setdefault(made.key, made)
        if other is not made:
            raise OptionError(
                f'"{other.cell.method}" and "{cell.method}" are the same method with {cell.operator} on '
                f"{cell.image}. Leave one of them out."
            )
        yield made


def job(cell: Cell, method: Method, matrix: Matrix, setting: Setting, folder: Path) -> Job:
    """Return the job of one cell; errors as for `jobs`."""
    tuned = method.weights == "tuned"
    bare = Job(
        key="",
        cell=cell,
        method=method,
        setting=setting,
        protocol=matrix.protocol,
        # Images of the tuning change the key only of cells that are tuned on them.
        tuning=matrix.tuning if tuned else replace(matrix.tuning, images=()),
        limits=matrix.limits,
        metrics=matrix.metrics,
    )
    return keyed(bare, folder)


def keyed(bare: Job, folder: Path) -> Job:
    """Return a job with its options and what follows from them: key, missing packages, replay; errors as for `jobs`."""
    used = parts(bare)
    options = resolved(bare, used)
    key = key_of(options)
    absent = {name for group, text in used for name in specs.missing(group, text)}
    return replace(
        bare,
        key=key,
        missing=tuple(sorted(absent)),
        options=options,
        replay=replay_of(path_of(folder, key)),
    )


def key_of(options: Mapping[str, Any]) -> str:
    """Hash the options of a cell to 20 hexadecimal digits."""
    text = json.dumps(options, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def parts(job: Job) -> list[tuple[str, str]]:
    """Return every spec that a cell uses, with its group."""
    found = [("operators", job.cell.operator), ("noises", job.cell.noise)]
    if job.method.prior:
        found += [("solvers", job.cell.solver), ("stopping", job.cell.stop)]
    found += [part for part in job.method.specs() if part[0] not in ("solvers", "stopping")]
    return [(group, text) for group, text in found if text]


def resolved(job: Job, used: list[tuple[str, str]]) -> dict[str, Any]:
    """Collect what determines a cell's result: options with defaults filled in, the data's bytes, the seed."""
    # Specs enter below in their resolved form; labels and published rows do not affect the result.
    method = asdict(job.method)
    for name in ("label", "prior", "denoiser", "solver", "stop", "published"):
        del method[name]
    method["budget"] = job.tuning.budget if job.method.weights in ("tuned", "oracle") else 0
    filled = {g: specs.resolved(g, t) if specs.is_own(g, t) else t for g, t in used}
    protocol = asdict(job.protocol)
    # Files count by their bytes, in "data", so they may move.
    for role in ("truth", "measurement", "masked"):
        del protocol[role]
    return {
        "scheme": SCHEME,
        **filled,
        "method": method,
        **inputs(job, used),
        "protocol": protocol | {"border": list(job.protocol.border)},  # as JSON gives it back
        "metrics": list(job.metrics),
        "size": job.setting.size,
        "seed": job.cell.seed,
        "device": job.setting.device.partition(":")[0],  # not the number of a GPU
    }


def inputs(job: Job, used: list[tuple[str, str]]) -> dict[str, Any]:
    """Return SHA-256 of every file that a cell reads: of its image, of the images of its tuning, and named in specs."""
    folder = Path(home(job))
    # The hash counts and not the place, so that the files may move.
    named = {name: file_hash(folder / name) for name in _names(used) if is_file(folder / name)}
    return {
        "data": data(job, job.cell.image),
        "tuning": [data(job, image) for image in job.tuning.images],
        "files": dict(sorted(named.items())),
    }


def check_inputs(job: Job) -> None:
    """Refuse a result whose files have changed since the cell got its key; call this after the last of them is read.

    Raises:
        MeasurementError: one has been replaced, removed or edited.
    """
    if any(job.options[name] != found for name, found in inputs(job, parts(job)).items()):
        raise MeasurementError(
            "A file of this cell, such as its image, has changed since the run began, so the result is not kept. "
            "Run the same command again."
        )


def place(job: Job, role: str, image: str) -> str:
    """Return the path of an image's truth, measurement or mask; "" if the protocol has none."""
    pattern: str = getattr(job.protocol, role).replace("{image}", image)
    if not pattern or pattern.startswith(PREFIX):
        return pattern
    return str(Path(job.setting.data) / pattern)


def data(job: Job, image: str) -> dict[str, str]:
    """Return SHA-256 of an image's files by role; for a sample its name and size identify it."""
    places = {role: place(job, role, image) for role in ("truth", "measurement", "masked")}
    return {
        role: at if at.startswith(PREFIX) else file_hash(Path(at))
        for role, at in places.items()
        if at and (at.startswith(PREFIX) or _readable(at))
    }


def _readable(at: str) -> bool:
    if not is_file(Path(at)):
        raise MeasurementError(
            f'There is no image "{at}". Name the folder of the images with --data DIR.'
        )
    return True


def home(job: Job) -> str:
    """Return the folder that files named in a cell's specs are relative to: the first that has most of them.

    It is the folder of the images, that of the configuration, or the one in which the command began.
    """
    names = set(_names(parts(job)))
    folders = (job.setting.data, *job.setting.others)
    return max(folders, key=lambda folder: sum(is_file(Path(folder) / name) for name in names))


def _names(used: list[tuple[str, str]]) -> Iterator[str]:
    """Yield the texts among the options of specs that may name files."""
    for _, text in used:
        for group in ("priors", "stopping"):  # their two grammars include that of all other groups
            try:
                values = [t for spec in specs.parsed(group, text) for t in specs.texts(spec)]
            except ValueError:
                continue
            yield from (value for value in values if "." in value)
            break
