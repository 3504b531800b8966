"""The tables that `invprior matrix` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import psutil
from rich.markup import escape
from rich.table import Table

from invprior.cli.matrix_run import duration
from invprior.matrix.execution.plan import Row
from invprior.matrix.results.record import STATUSES
from invprior.matrix.results.store import PlannedCell, changed_code
from invprior.memory.size import size_text

_NAMED = 20  # rows that a sentence lists


def planned(rows: Sequence[Row]) -> Table:
    """Return a table with a line for each row of a plan."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("operator", "noise", "prior"):
        table.add_column(name, overflow="fold")
    for name in ("cells", "to do", "a cell"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in rows:
        cell = row.cells[0].job.cell
        # Only what was chosen: "auto" and the solver's own rule would repeat in every line.
        more = [t for t in (cell.solver, cell.stop) if t and t != "auto"]
        note = " ".join(
            [row.incompatible, *(f"needs {name}" for name in row.missing), *more]
        ).strip()
        seconds = "-" if row.seconds is None else duration(row.seconds)
        counts = str(len(row.cells)), str(row.todo)
        texts = cell.operator, cell.noise or "-", cell.method
        table.add_row(*map(escape, texts), *counts, seconds, escape(note))
    return table


def outlook(rows: Sequence[Row], workers: int, threads: int) -> Iterator[str]:
    """Yield what the whole run will take, in sentences."""
    jobs = [c.job for row in rows for c in row.cells]
    todo = sum(row.todo for row in rows)
    yield ""
    yield f"{len(jobs)} cells, {todo} to compute, {workers} at a time with {threads} threads each."
    for row in rows:
        if row.incompatible:
            cell = row.cells[0].job.cell
            yield f"{cell.method} does not fit {cell.operator}: {row.incompatible}"
    if absent := sorted({name for row in rows for name in row.missing}):
        yield f"Missing packages: {', '.join(absent)}. Run: pip install {' '.join(absent)}"
    known = [row for row in rows if row.seconds is not None]
    whole = sum(row.todo * (row.seconds or 0.0) for row in known)
    if known:
        longest = max((row.seconds or 0.0 for row in known if row.todo), default=0.0)
        # No run is shorter than its longest cell, whatever the number of workers.
        yield f"Estimated time: {duration(max(whole / workers, longest))}, from a few steps on small crops."
    if unknown := [r for r in rows if r.seconds is None and not r.missing and not r.incompatible]:
        names = list(dict.fromkeys(r.cells[0].job.cell.method for r in unknown))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"Without an estimate: {', '.join(names[:_NAMED])}{more}."
    # Each limit alone may be fine; above the free memory together, the system kills cells.
    allowed = workers * max((job.limits.bytes for job in jobs), default=0)
    free = int(psutil.virtual_memory().available)
    if allowed > free:
        yield (
            f"Cells may take {size_text(allowed)} together, but {size_text(free)} is free. Lower the limit of memory, "
            "or --workers."
        )


def counts(cells: Sequence[PlannedCell]) -> Table:
    """Return a table that counts the cells of each operator and noise by status."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("operator", overflow="fold")
    table.add_column("noise", overflow="fold")
    kinds = [
        s for s in STATUSES if any(c.record is not None and c.record.status == s for c in cells)
    ]
    for name in ("cells", *kinds, "not run"):
        table.add_column(name, justify="right")
    groups: dict[tuple[str, str], Counter[str]] = {}
    for one in cells:
        cell = one.job.cell
        group = groups.setdefault((cell.operator, cell.noise), Counter())
        group["cells"] += 1
        group["not run" if one.record is None else one.record.status] += 1
    for (operator, noise), group in groups.items():
        numbers = [str(group[name] or "-") for name in ("cells", *kinds, "not run")]
        table.add_row(escape(operator), escape(noise or "-"), *numbers)
    return table


def remarks(cells: Sequence[PlannedCell], aside: int) -> Iterator[str]:
    """Yield failures with their replay, damaged records, and the number of records of other code or options.

    Args:
        cells: to report on.
        aside: number of records with other options or data.
    """
    for one in cells:
        record = one.record
        if record is not None and record.status not in ("ok", "incompatible"):
            cell = record.cell
            yield (
                f"{record.status}: {cell.image}, {cell.operator}, {cell.method}, seed {cell.seed}: "
                f"{record.reason}. Replay: {record.replay}"
            )
    yield from damage(cells)
    stale = [c for c in cells if c.state == "stale"]
    if stale:
        record, job = stale[0].record, stale[0].job
        assert record is not None
        changed = "; ".join(changed_code(record, job)[:3])  # of the first; most have the same cause
        yield (
            f"{len(stale)} records are stale: other code made them ({changed}). They are kept. To compute them again, "
            "use --refresh. For details: invprior matrix explain CELL DIR"
        )
    if aside:
        yield f"{aside} records of these cells were made with other options or data, and are not used."


def damage(cells: Sequence[PlannedCell]) -> Iterator[str]:
    """Yield what is wrong with damaged records, which every run makes again."""
    yield from (f"Damaged, so a run computes it again: {c.fault}" for c in cells if c.fault)
