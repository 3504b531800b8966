"""The columns of the report's tables and CSV files, one entry each: its head, and how its value is computed.

To add a column, add an entry to one of four lists: `method_columns` and `cell_columns` for the page and its tables,
`method_fields` and `cell_fields` for the CSV files.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

from invprior.matrix.analysis.statistics import LEVEL, Comparison, Interval
from invprior.matrix.analysis.tasks import Measure
from invprior.matrix.report.rows import CellRow, MethodRow
from invprior.matrix.report.table import (
    NOTHING,
    Head,
    Value,
    megabytes,
    number,
    seconds,
    seconds_or_dash,
    signed,
    text,
)
from invprior.matrix.results.record import Record
from invprior.metrics.base import range_text

NOT_RUN, LEFT_OUT = "not run yet", "left out"  # in columns of statuses
PERCENT = f"{LEVEL:.0%}".replace("%", " %")

# A column of the page has a head; one of a CSV file has a name, and values for other programs.
CellColumn: TypeAlias = tuple[Head, Callable[[CellRow], Value]]
MethodColumn: TypeAlias = tuple[Head, Callable[[MethodRow], Value]]
CellField: TypeAlias = tuple[str, Callable[[CellRow], object]]
MethodField: TypeAlias = tuple[str, Callable[[MethodRow], object]]


def cell_columns(measures: Sequence[Measure]) -> list[CellColumn]:
    """Return the columns of the page's table of every cell."""

    # A function for each, since a lambda in a loop would see the last metric.
    def score(measure: Measure) -> CellColumn:
        def value(row: CellRow) -> Value:
            found = row.record.metrics.get(measure.name) if row.record else None
            return number(found, None if found is None else measure.text(found))

        return Head(text=measure.head), value

    def ended(row: CellRow) -> Value:
        record = row.record
        # What a run noted may be the reason why its score is low, or why it failed.
        notes = [f"Note: {note}" for note in record.notes] if record else []
        if row.missing is not None:
            return text(" ".join([row.missing.reason, *notes]), note=row.missing.replay)
        stop = record.stop.message if record and record.stop else ""
        return text(" ".join([stop, *notes]).strip())

    return [
        (Head(text="task", numeric=False, axis=True), lambda r: text(r.task.title)),
        (Head(text="method", numeric=False, axis=True), lambda r: text(r.method)),
        (Head(text="image", numeric=False, axis=True), lambda r: text(r.pair.image)),
        (Head(text="seed"), lambda r: number(r.pair.seed)),
        (Head(text="status", numeric=False), lambda r: _status(r.record.status if r.record else NOT_RUN)),
        *map(score, measures),
        (Head(text="solve [s]", note="The reconstruction alone, with the device synchronised."),
         lambda r: seconds(r.record.seconds.solve) if _ran(r) and r.record else number(None)),
        (Head(text="tuning [s]", note="The choice of the weights."),
         lambda r: seconds_or_dash(r.record.seconds.tuning) if r.record else number(None)),
        (Head(text="memory [MB]", note="Peak of the cell's process, or of the GPU."),
         lambda r: megabytes(r.record.memory) if r.record else number(None)),
        (Head(text="steps"),
         lambda r: number(r.record.steps if _ran(r) and r.record and r.record.cell.solver else None)),
        (Head(text="weights", numeric=False, note="The source of the prior's weights."),
         lambda r: text("" if r.record is None else r.record.weights if r.record.cell.solver else NOTHING)),
        (Head(text="ended", numeric=False, note="Why the run stopped, or why there is no result."), ended),
    ]  # fmt: skip


def cell_fields(names: Sequence[str]) -> list[CellField]:
    """Return the columns of cells.csv; a value that a cell lacks is None.

    Args:
        names: of the metrics.
    """

    def of_record(name: str, value: Callable[[Record], object]) -> CellField:
        return name, lambda row: None if row.record is None else value(row.record)

    def status(row: CellRow) -> object:
        if row.record is not None:
            return row.record.status
        return LEFT_OUT if row.excluded else NOT_RUN

    def score(name: str) -> CellField:
        return of_record(name, lambda r: r.metrics.get(name))

    def baseline(name: str) -> CellField:
        return of_record(f"baseline {name}", lambda r: r.baseline.get(name))

    return [
        of_record("key", lambda r: r.key),
        ("operator", lambda row: row.task.operator),
        ("noise", lambda row: row.task.noise),
        ("method", lambda row: row.method),
        of_record("prior", lambda r: r.cell.prior),
        of_record("solver", lambda r: r.cell.solver),
        of_record("stop", lambda r: r.cell.stop),
        ("image", lambda row: row.pair.image),
        ("seed", lambda row: row.pair.seed),
        ("status", status),
        ("reason", lambda row: row.missing.reason if row.missing else ""),
        of_record("notes", lambda r: "; ".join(r.notes)),
        of_record("weights", lambda r: r.weights),
        *map(score, names),
        of_record("baseline", lambda r: r.baseline_name),
        *map(baseline, names),
        of_record("score_range", lambda r: range_text(r.score_range)),
        of_record("solve_seconds", lambda r: r.seconds.solve),
        of_record("warm_up_seconds", lambda r: r.seconds.warm_up),
        of_record("tuning_seconds", lambda r: r.seconds.tuning),
        of_record("whole_seconds", lambda r: r.seconds.whole),
        of_record("memory_bytes", lambda r: r.memory),
        of_record("steps", lambda r: r.steps),
        of_record("forward", lambda r: r.calls.get("forward")),
        of_record("adjoint", lambda r: r.calls.get("adjoint")),
        of_record("threads", lambda r: r.threads),
        of_record("device", lambda r: r.device),
        of_record("created", lambda r: r.created),
        of_record("replay", lambda r: r.replay),
    ]


def method_columns(measure: Measure) -> list[MethodColumn]:
    """Return the columns of a task's table of methods that go by its first metric; means by all metrics go before."""
    return [
        (Head(text=f"to the best [{measure.unit}]" if measure.unit else "to the best",
              note=f"Paired difference of {measure.title} to the best method, with its {PERCENT} interval."),
         _to_best),
        (Head(text="rank", note=f"Mean rank by {measure.title} over the pairs; 1 is the best."), _rank),
        (Head(text="wins [%]", note="Share of the pairs won against another method, averaged over the others."), _wins),
        (Head(text="time [s]", note="Mean time of the reconstruction alone."),
         lambda r: number(None) if r.solve_seconds is None else seconds(r.solve_seconds)),
        (Head(text="tuning [s]", note="Mean time spent on the choice of the weights."),
         lambda r: seconds_or_dash(_mean([c.seconds.tuning for c in r.compared]))),
        (Head(text="memory [MB]", note="The largest peak of its cells."),
         lambda r: megabytes(max((c.memory for c in r.compared), default=0))),
        (Head(text="A / Aᵀ", note="Mean calls of the operator and of its adjoint."), _calls),
        (Head(text="weights", numeric=False, note="Fixed; automatic, without the true image; tuned on other images; "
              "or oracle, chosen on the tested image's own truth."), _weights),
        (Head(text="results", note="Cells with a result, of those planned."), _results),
    ]  # fmt: skip


def method_fields() -> list[MethodField]:
    """Return the columns of methods.csv; a value that a method lacks is None."""

    def of_mean(name: str, value: Callable[[Interval], object]) -> MethodField:
        return name, lambda r: value(r.comparison.mean[r.method]) if _is_compared(r) else None

    def to_best(name: str, value: Callable[[Interval], float]) -> MethodField:
        def found(row: MethodRow) -> object:
            if not _is_compared(row):
                return None
            behind = row.comparison.behind.get(row.method)
            return value(behind) if behind else 0.0  # the best method itself

        return name, found

    return [
        ("operator", lambda r: r.task.operator),
        ("noise", lambda r: r.task.noise),
        ("method", lambda r: r.method),
        ("metric", lambda r: r.measure.name),
        ("unit", lambda r: r.measure.unit),
        ("pairs", lambda r: len(r.comparison.pairs)),
        ("pairs_possible", lambda r: r.comparison.possible),
        of_mean("mean", lambda i: i.mean),
        of_mean("half_interval", lambda i: i.half),
        of_mean("images", lambda i: i.count),
        to_best("to_best", lambda i: i.mean),
        to_best("to_best_half_interval", lambda i: i.half),
        ("rank", lambda r: r.comparison.rank.get(r.method)),
        ("solve_seconds", lambda r: r.solve_seconds),
        ("not_compared", _not_compared),
    ]


def mean_value(comparison: Comparison, measure: Measure, method: str) -> Value:
    """Return the mean of a method with its interval; a dash if it is not compared."""
    if method not in comparison.mean:
        return number(None)
    found = comparison.mean[method]
    return number(found.mean, _with_interval(found, measure), best=method == comparison.best)


def _with_interval(interval: Interval, measure: Measure) -> str:
    half = "" if math.isnan(interval.half) else f" ± {measure.text(interval.half)}"
    return measure.text(interval.mean) + half


def _is_compared(row: MethodRow) -> bool:
    return row.method in row.comparison.mean


def _not_compared(row: MethodRow) -> str:
    if _is_compared(row):
        return ""
    return row.comparison.apart.get(row.method, "no pair that all methods have")


def _to_best(row: MethodRow) -> Value:
    comparison, method = row.comparison, row.method
    if method == comparison.best:  # sorted as 0, its difference to itself
        return Value(text="best", sort=0.0)
    if method not in comparison.behind:
        return number(None)
    found = comparison.behind[method]
    near = comparison.tied_with_best(method)
    return number(
        found.mean,
        signed(_with_interval(found, row.measure)) + (" ≈" if near else ""),
        note="not significantly different from the best" if near else "",
    )


def _rank(row: MethodRow) -> Value:
    rank = row.comparison.rank.get(row.method)
    return number(None) if rank is None else number(rank, f"{rank:.2f}")


def _wins(row: MethodRow) -> Value:
    found = row.comparison
    if not _is_compared(row):
        return number(None)
    others = len(found.methods) - 1
    # At rank 1 a method beats all others, at the last rank none; ties share their mean rank.
    share = 100 * (1 + others - found.rank[row.method]) / others if others else None
    return number(share, f"{share or 0:.0f}")


def _calls(row: MethodRow) -> Value:
    records, calls = row.compared, Counter[str]()
    for record in records:
        calls.update(record.calls)
    if not calls:  # methods without a solver do not count them
        return number(None)
    shown = " / ".join(f"{calls[k] / len(records):.0f}" for k in ("forward", "adjoint"))
    return number(calls["forward"] / len(records), shown)


def _weights(row: MethodRow) -> Value:
    records = row.task.records[row.method].values()
    # Over all records: a method that is not compared has weights too.
    found = {r.weights for r in records if r.cell.solver}  # without a solver there are no weights
    return text(", ".join(sorted(found)) or NOTHING)


def _results(row: MethodRow) -> Value:
    task, method = row.task, row.method
    held = sum(r.status == "ok" for r in task.records[method].values())
    planned = len(task.pairs) - len(task.excluded.get(method, ()))
    failed = Counter(m.status or m.reason for m in task.missing_results() if m.method == method)
    # Why cells are missing, as "2 timeout, 1 crashed".
    note = ", ".join(f"{n} {status}" for status, n in failed.items())
    return number(held, f"{held} of {planned}", note=note)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _status(status: str) -> Value:
    return text(status, status=status)


def _ran(row: CellRow) -> bool:
    # A cell that never started has a record too, for instance without its package.
    return row.record is not None and row.record.seconds.whole > 0
