"""The configuration of a matrix, from a TOML file: axes of specs, limits, metrics."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files as resources
from math import prod
from pathlib import Path
from typing import Any

from invprior.errors import MeasurementError, OptionError, did_you_mean
from invprior.io import small_files
from invprior.matrix.config import deprecated, specs
from invprior.matrix.config.method import Method
from invprior.matrix.config.published import Published
from invprior.matrix.config.published import table as published_table
from invprior.matrix.config.sections import Limits, Protocol, Tuning
from invprior.matrix.config.toml_table import TomlTable

# As --only and [[exclude]] name them: the fields of `results.record.Cell`, with a prior also known by its label.
AXES = ("image", "operator", "noise", "prior", "solver", "stop", "seed")
MOST = 100_000  # cells: more would take days, and be too many records for one folder


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A checked configuration, with the values of every axis.

    Attributes:
        published: the published table to compare with, see `config.published`; "" for none.
        notes: deprecated spellings in the file, one sentence each. They make no difference between matrices.
    """

    name: str
    title: str = ""
    images: tuple[str, ...]
    operators: tuple[str, ...] = ("denoise",)
    noises: tuple[str, ...] = ("",)
    methods: tuple[Method, ...]
    solvers: tuple[str, ...] = ("auto",)
    stops: tuple[str, ...] = ("",)
    seeds: tuple[int, ...] = (0,)
    metrics: tuple[str, ...] = ("psnr", "ssim")
    excludes: tuple[Mapping[str, str], ...] = ()
    limits: Limits = field(default_factory=Limits)
    tuning: Tuning = field(default_factory=Tuning)
    protocol: Protocol = field(default_factory=Protocol)
    published: str = ""
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def axes(self) -> tuple[tuple[Any, ...], ...]:
        """The values of each axis: images, operators, noises, methods, solvers, stopping rules and seeds."""
        own = (self.images, self.operators, self.noises, self.methods)
        return (*own, self.solvers, self.stops, self.seeds)

    def published_table(self) -> Published | None:
        """Look up the published table, or return None if the configuration names none.

        Raises:
            OptionError: there is no table of that name.
        """
        rows = {m.label: m.published for m in self.methods if m.published}
        return published_table(self.published, rows) if self.published else None


def builtin_names() -> list[str]:
    """Return the names of the built-in matrices."""
    found = (p.name for p in resources("invprior.matrix.config").joinpath("builtin").iterdir())
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def read(source: str) -> tuple[str, str]:
    """Return the name and the text of a configuration, given its built-in name or its file.

    Raises:
        MeasurementError: there is none.
    """
    if source in builtin_names():
        place = resources("invprior.matrix.config").joinpath("builtin", f"{source}.toml")
        return source, place.read_text(encoding="utf-8")
    path = Path(source)
    try:
        return path.stem, small_files.read_text(path)
    except MeasurementError as error:
        raise MeasurementError(
            f"{error} It is no matrix{did_you_mean(source, builtin_names())}. "
            f"Name a .toml file, or one of: {', '.join(builtin_names())}."
        ) from None


def parse(name: str, text: str) -> Matrix:
    """Read and check the text of a configuration.

    Raises:
        OptionError: the text has faults; the message lists all of them.
    """
    try:
        values = tomllib.loads(text)
    except ValueError as error:  # of TOML, or of an integer with thousands of digits
        raise OptionError(f"The matrix {name} is not valid TOML: {error}.") from None
    except RecursionError:
        raise OptionError(
            f"The matrix {name} is not valid: its values are nested too deeply."
        ) from None
    # Readers and checks add to these lists and go on, so that one message has all faults.
    faults: list[str] = []
    notes: list[str] = []
    matrix = _matrix(name, TomlTable(values, f"the matrix {name}", faults, notes))
    faults += _faults(matrix)
    if faults:
        distinct = dict.fromkeys(faults)  # a spec that two rows share has its fault twice
        raise OptionError("\n".join(distinct))
    return matrix


def _matrix(name: str, table: TomlTable) -> Matrix:
    def texts(key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        found = table.items(key, (str,), "strings")
        if found == []:  # an axis without values would leave no cell
            table.fault(key, "a list of at least one string", found)
        return default if found is None else tuple(found)

    for key in ("images", "priors"):
        if key not in table.values:
            table.faults.append(f'The key "{key}" of {table.where} must be given.')
    seeds = table.items("seeds", (int,), "integers")
    given = table.items("priors", (str, dict), "specs and tables") or []
    matrix = Matrix(
        name=name,
        title=table.text("title"),
        published=table.text("published"),
        images=texts("images", ()),
        operators=texts("operators", ("denoise",)),
        noises=texts("noises", ("",)),
        methods=tuple(Method.read(m, i, table) for i, m in enumerate(given, 1)),
        solvers=texts("solvers", ("auto",)),
        stops=texts("stops", ("",)),
        seeds=(0,) if seeds is None else tuple(seeds),
        metrics=texts("metrics", ("psnr", "ssim")),
        excludes=tuple(_exclude(t) for t in table.tables("exclude")),
        limits=next(map(Limits.read, table.tables("limits")), Limits()),
        tuning=next(map(Tuning.read, table.tables("tuning")), Tuning()),
        protocol=next(map(Protocol.read, table.tables("protocol")), Protocol()),
    )
    table.finish()
    return replace(matrix, notes=tuple(table.notes))  # complete only now


def _exclude(table: TomlTable) -> Mapping[str, str]:
    # Any type: a seed may be written as a number.
    pairs = {axis: table.take(axis) for axis in AXES}
    table.finish()
    given = {axis: str(value) for axis, value in pairs.items() if value is not None}
    return dict(deprecated.pattern(*pair, table.where, table.notes) for pair in given.items())


def _faults(matrix: Matrix) -> list[str]:
    """Check every spec, that labels differ, that tuning is possible, and that excludes match something."""
    faults = []
    # "" stands for no noise, and for the solver's own rule.
    axes: dict[str, tuple[str, ...]] = {
        "operators": matrix.operators,
        "noises": tuple(n for n in matrix.noises if n),
        "solvers": matrix.solvers,
        "stopping": tuple(s for s in matrix.stops if s),
        "metrics": matrix.metrics,
    }
    for group, texts in axes.items():
        faults += [fault for text in texts if (fault := specs.fault(group, text))]
    for method in matrix.methods:
        faults += method.faults()
    labels = Counter(method.label for method in matrix.methods)  # tables name rows by them
    faults += [
        f'Two priors have the label "{label}". Give one of them another label.'
        for label, count in labels.items()
        if count > 1
    ]
    if (cells := _count(matrix)) > MOST:
        faults.append(
            f"The matrix {matrix.name} has {cells:,} cells, and a run has at most {MOST:,}. Divide it into several."
        )
    tuned = [m.label for m in matrix.methods if m.weights == "tuned"]
    if tuned and not matrix.tuning.images:
        faults.append(f"[tuning] must name images, on which {', '.join(tuned)} is tuned.")
    # Weights that were tuned on a tested image would be an oracle's.
    if both := set(matrix.tuning.images) & set(matrix.images):
        faults.append(
            f"The images of [tuning] must not be tested; got {', '.join(sorted(both))} in both lists."
        )
    faults += [fault for exclude in matrix.excludes for fault in _unmatched(matrix, exclude)]
    return faults + _unpublished(matrix)


def _count(matrix: Matrix) -> int:
    """Return the number of combinations of the axes' values; excludes may leave fewer."""
    return prod(map(len, matrix.axes))


def _unpublished(matrix: Matrix) -> list[str]:
    """Return the faults of a published table, or a row of it, that does not exist."""
    try:
        matrix.published_table()
    except OptionError as error:
        return [str(error)]
    named = [m.label for m in matrix.methods if m.published and not matrix.published]
    return [
        f'The key "published" of "{label}" would have no effect: the matrix names no published table.'
        for label in named
    ]


def _unmatched(matrix: Matrix, exclude: Mapping[str, str]) -> list[str]:
    """Return the faults of patterns that match nothing, which most likely have a typing error."""
    values: dict[str, list[Any]] = {
        "image": list(matrix.images),
        "operator": list(matrix.operators),
        "noise": list(matrix.noises),
        "prior": [text for m in matrix.methods for text in m.names],
        "solver": [*matrix.solvers, *(m.solver for m in matrix.methods if m.solver)],
        "stop": [*matrix.stops, *(m.stop for m in matrix.methods if m.stop)],
        "seed": [str(s) for s in matrix.seeds],
    }
    return [
        f'The exclude {axis} = "{pattern}" matches nothing{did_you_mean(pattern, values[axis])}; '
        f"the axis has: {', '.join(map(repr, values[axis]))}."
        for axis, pattern in exclude.items()
        if not any(specs.matches(pattern, str(v)) for v in values[axis])
    ]
