"""The rows of the report's tables: planned cells, and methods of a task."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from invprior.matrix.analysis.statistics import Comparison, Pair
from invprior.matrix.analysis.tasks import Measure, MissingResult, Task
from invprior.matrix.results.record import Record

MOST = 50  # methods in a figure, in a strip of images and in the table of wins: no reader tells more apart


@dataclass(frozen=True, kw_only=True)
class CellRow:
    """A planned cell: its record if it has run, and why it has no result if it has none."""

    task: Task
    method: str
    pair: Pair
    record: Record | None
    missing: MissingResult | None

    @property
    def excluded(self) -> bool:
        """Whether the configuration leaves the cell out."""
        return self.pair in self.task.excluded.get(self.method, ())


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """A method of a task, by one metric.

    Attributes:
        measure: the metric.
        comparison: of all methods by it.
        solve_seconds: mean time of the reconstruction alone, over the compared pairs; None if not compared.
    """

    task: Task
    method: str
    measure: Measure
    comparison: Comparison
    solve_seconds: float | None

    @property
    def compared(self) -> list[Record]:
        """The method's records that the comparison uses."""
        # Costs are averaged over the same pairs as scores.
        row, pairs = self.task.records[self.method], self.comparison.pairs
        return [row[p] for p in pairs] if self.method in self.comparison.mean else []


def cell_rows(tasks: Iterable[Task]) -> Iterator[CellRow]:
    """Yield every cell of some tasks."""
    for task in tasks:
        missing = {
            (m.method, m.pair): m for m in task.missing_results()
        }  # once a task: it walks all cells
        for method in task.methods:
            for pair in task.pairs:
                record = task.records[method].get(pair)
                yield CellRow(
                    task=task,
                    method=method,
                    pair=pair,
                    record=record,
                    missing=missing.get((method, pair)),
                )


def method_rows(task: Task, measure: Measure) -> Iterator[MethodRow]:
    """Yield every method of a task, the best first, those that are not compared last."""
    comparison = task.compare(measure)
    times = mean_seconds(task, comparison)
    for method in [*comparison.methods, *comparison.apart]:
        yield MethodRow(
            task=task,
            method=method,
            measure=measure,
            comparison=comparison,
            solve_seconds=times.get(method),
        )


def mean_seconds(task: Task, comparison: Comparison) -> dict[str, float]:
    """Return the mean time of the reconstruction alone over the compared pairs, by method."""
    rows = {
        m: [task.records[m][p].seconds.solve for p in comparison.pairs] for m in comparison.mean
    }
    return {m: math.fsum(v) / len(v) for m, v in rows.items()}
