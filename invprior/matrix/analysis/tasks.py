"""Group records into tasks: all that was measured the same way, one method a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from invprior.errors import InvpriorError
from invprior.matrix.analysis.statistics import Comparison, Pair, Scores, compare
from invprior.matrix.results.record import Cell, Record, Status

WAITING = "has not run yet"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A metric as tables name it.

    Attributes:
        name: its spec, as in the records.
        title: for column heads, such as "PSNR (luma=true)".
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool

    def text(self, value: float) -> str:
        """Print a value: decibels with two decimals, others with four."""
        return f"{value:.2f}" if self.unit == "dB" else f"{value:.4f}"

    @property
    def head(self) -> str:
        """The title with its unit in brackets."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title


@dataclass(frozen=True, kw_only=True)
class MissingResult:
    """A cell without a result.

    Attributes:
        status: what went wrong; None without a record.
        reason: one sentence.
        replay: the command that computes it; "" without a record.
    """

    method: str
    pair: Pair
    status: Status | None
    reason: str
    replay: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """One operator with one noise.

    Attributes:
        methods: labels of the rows, in the order of the plan; without a plan, in alphabetical order.
        pairs: of image and seed, that every method should have.
        records: by method, then pair; cells that have not run yet are absent.
        excluded: pairs that the configuration leaves out, by method.
    """

    operator: str
    noise: str
    methods: tuple[str, ...]
    pairs: tuple[Pair, ...]
    records: Mapping[str, Mapping[Pair, Record]]
    excluded: Mapping[str, frozenset[Pair]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Operator and noise in words."""
        return f"{self.operator}, {self.noise or 'measurements as given'}"

    def scores(self, measure: Measure) -> dict[str, Scores]:
        """Return the scores of the cells that are "ok", by method and pair."""
        # A diverged run may have scores too, but they count in no mean.
        return {
            m: {
                p: r.metrics[measure.name]
                for p, r in self.records[m].items()
                if r.status == "ok" and measure.name in r.metrics
            }
            for m in self.methods
        }

    def compare(self, measure: Measure) -> Comparison:
        """Compare the methods by one metric."""
        return compare(self.scores(measure), self.pairs, higher_is_better=measure.higher_is_better)

    def missing_results(self) -> list[MissingResult]:
        """Return the cells without a result: failed, not run yet, or without a finite score."""
        found = []
        for method in self.methods:
            for pair in self.pairs:
                record = self.records[method].get(pair)
                if record is None:
                    left_out = pair in self.excluded.get(method, ())
                    why = "left out by the configuration" if left_out else WAITING
                    found.append(
                        MissingResult(method=method, pair=pair, status=None, reason=why, replay="")
                    )
                    continue
                reason = record.reason
                if record.status == "ok":  # a perfect restoration has an infinite PSNR
                    odd = [k for k, v in record.metrics.items() if not math.isfinite(v)]
                    if not odd:
                        continue
                    reason = f"{', '.join(odd)} is not finite and counts in no average"
                found.append(
                    MissingResult(
                        method=method,
                        pair=pair,
                        status=record.status,
                        reason=reason or "no reason given",
                        replay=record.replay,
                    )
                )
        return found

    def baseline(self, measure: Measure, pairs: Sequence[Pair]) -> float | None:
        """Return the mean score of the measurements, or of their pseudo-inverses; None if a pair has none."""
        values = []
        for pair in pairs:
            # It depends on the measurement alone, so the record of any method has it.
            known = (r[pair].baseline for r in self.records.values() if pair in r)
            value = next((b[measure.name] for b in known if measure.name in b), None)
            if value is None:
                return None
            values.append(value)
        return math.fsum(values) / len(values) if values else None

    @property
    def baseline_name(self) -> str:
        """What `baseline` scores: "measurement" or "pseudo-inverse"; "" if no record tells."""
        # One operator has one of them, as the sizes of the measurement and the image decide.
        names = (r.baseline_name for row in self.records.values() for r in row.values())
        return next(filter(None, names), "")


def titles(tasks: Sequence[Task]) -> list[str]:
    """Return names of tasks side by side: operator and noise, or the operator alone if all have the same noise."""
    same = len({t.noise for t in tasks}) == 1 < len(tasks)
    return [t.operator if same else t.title for t in tasks]


@dataclass(frozen=True, kw_only=True)
class Collection:
    """All tasks of a folder of results.

    Attributes:
        measures: the metrics, in the order of the records; the first one ranks.
        older: records that no table uses: a newer one exists for the same cell, or the plan has the cell no more.
        unknown: metrics that no installed package provides, with the reason; no table shows them.
    """

    tasks: tuple[Task, ...]
    measures: tuple[Measure, ...]
    older: tuple[Record, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def records(self) -> list[Record]:
        """Every record that a table uses."""
        return [r for t in self.tasks for row in t.records.values() for r in row.values()]


def collect(records: Iterable[Record], planned: Mapping[str, Cell] | None = None) -> Collection:
    """Group records into tasks.

    Args:
        records: of one folder of results, in any order.
        planned: the cells of the configuration by key, in its order; absent: every combination of what the records
            have, each with its newest record.
    """
    wanted, older = _current(records, planned)
    cells = sorted(wanted, key=_alphabet) if planned is None else list(planned.values())
    label = _labels(cells)  # over all cells, as labels must be unique within a task
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.operator, cell.noise), []).append(cell)
    has_plan = planned is not None
    tasks = tuple(_task(*n, group, label, wanted, has_plan) for n, group in groups.items())
    measures, unknown = measures_of(r.metrics for r in wanted.values())
    return Collection(tasks=tasks, measures=measures, older=tuple(older), unknown=unknown)


def _current(
    records: Iterable[Record], planned: Mapping[str, Cell] | None
) -> tuple[dict[Cell, Record], list[Record]]:
    wanted: dict[Cell, Record] = {}
    older: list[Record] = []
    # From old to new, so that the newest record of a cell stays; keys decide between equal times.
    for record in sorted(records, key=lambda r: (r.created, r.key)):
        if planned is not None and record.key not in planned:
            older.append(record)
            continue
        cell = record.cell if planned is None else planned[record.key]  # labels may have changed
        if cell in wanted:
            older.append(wanted[cell])
        wanted[cell] = record
    return wanted, older


def _alphabet(cell: Cell) -> tuple[str | int, ...]:
    return (cell.operator, cell.noise, cell.method.lower(), cell.solver, cell.stop, cell.image,
            cell.seed)  # fmt: skip


def _labels(cells: Sequence[Cell]) -> dict[Cell, str]:
    """Return the label of each cell's row, with prior, solver and rule where a task has several under one label."""
    rows: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.operator, cell.noise, cell.method), []).append(cell)
    labels = {}
    for (*_, method), row in rows.items():
        varying = [p for p in ("prior", "solver", "stop") if len({getattr(c, p) for c in row}) > 1]
        for cell in row:
            # An empty text is the solver's own stopping rule.
            labels[cell] = ", ".join([method, *(getattr(cell, p) or "own rule" for p in varying)])
    return labels


def _task(
    operator: str,
    noise: str,
    cells: Sequence[Cell],
    label: Mapping[Cell, str],
    records: Mapping[Cell, Record],
    has_plan: bool,
) -> Task:
    rows: dict[str, dict[Pair, Record]] = {}
    known: dict[str, set[Pair]] = {}
    for cell in cells:
        pair = Pair(cell.image, cell.seed)
        row = rows.setdefault(label[cell], {})
        known.setdefault(label[cell], set()).add(pair)
        if cell in records:
            row[pair] = records[cell]
    pairs = tuple(dict.fromkeys(Pair(c.image, c.seed) for c in cells))
    # Without a plan, a pair that a method lacks may have been left out or not have run: it counts as not run.
    excluded = {m: frozenset(pairs) - held for m, held in known.items()} if has_plan else {}
    return Task(
        operator=operator,
        noise=noise,
        methods=tuple(rows),
        pairs=pairs,
        records=rows,
        excluded=excluded,
    )


def measures_of(
    scores: Iterable[Mapping[str, float]],
) -> tuple[tuple[Measure, ...], dict[str, str]]:
    """Look up the metrics of some scores, in their order; return also why some are unknown, by name."""
    from invprior import registry

    measures: list[Measure] = []
    unknown: dict[str, str] = {}
    for name in dict.fromkeys(name for row in scores for name in row):
        spec, bracket, region = name.partition(" (")  # such as "psnr (missing pixels)"
        try:
            metric = registry.create("metrics", spec)
        except InvpriorError as error:  # records may come from a machine with other packages
            unknown[name] = str(error)
            continue
        kind, _, options = spec.partition(":")
        title = kind.upper() if len(kind) <= 4 else kind  # PSNR and SSIM are acronyms
        title += f" ({options.replace(',', ', ')})" if options else ""
        measures.append(
            Measure(
                name=name,
                title=title + bracket + region,
                unit=metric.unit,
                higher_is_better=metric.higher_is_better,
            )
        )
    return tuple(measures), unknown
