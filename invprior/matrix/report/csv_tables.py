"""The report's values as plain rows, for other programs."""

from __future__ import annotations

from typing import TypeAlias

from invprior.matrix.analysis.tasks import Collection
from invprior.matrix.report.columns import cell_fields, method_fields
from invprior.matrix.report.rows import cell_rows, method_rows

Rows: TypeAlias = tuple[list[str], list[list[object]]]  # header and rows


def cells(collection: Collection) -> Rows:
    """Return every planned cell with all values of its record; values that it lacks are None."""
    names = list(dict.fromkeys(n for r in collection.records for n in r.metrics))
    fields = cell_fields(names)
    rows = [[value(row) for _, value in fields] for row in cell_rows(collection.tasks)]
    return [name for name, _ in fields], rows


def methods(collection: Collection) -> Rows:
    """Return the comparison of each method of each task by each metric."""
    fields = method_fields()
    rows = [
        [value(row) for _, value in fields]
        for task in collection.tasks
        for measure in collection.measures
        for row in method_rows(task, measure)
    ]
    return [name for name, _ in fields], rows
