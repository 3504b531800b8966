"""Tables over a whole folder of results: tasks side by side, every cell, missing results."""

from __future__ import annotations

import math
from collections import Counter

from invprior.matrix.analysis.statistics import FEWEST
from invprior.matrix.analysis.tasks import WAITING, Collection, Measure, MissingResult, titles
from invprior.matrix.report.columns import LEFT_OUT, NOT_RUN, cell_columns
from invprior.matrix.report.rows import cell_rows
from invprior.matrix.report.table import Head, Table, Value, number, text
from invprior.matrix.results.record import STATUSES

AXES = ("task", "method", "image")  # by which the page can be narrowed
HOW = (
    "Methods are compared on the pairs of image and seed that all of them have. A seed determines the noise, the mask "
    "and the networks' initial weights, so methods that share a pair had the same measurement.",
    "A method with less than half of the pairs is left out: it is named below the table with the reason, and does not "
    "affect the others' means. Cells without a result are listed with the reason and the command that replays them.",
    "Intervals are Student's t at 95 %, over images, after averaging over the seeds of each image. Fewer than "
    f"{FEWEST} images have none. The difference to the best method is paired. ≈ marks a difference whose interval "
    "contains zero. The same scores choose the best method, so differences to it are slightly too large.",
    "Time is that of the reconstruction alone, with the device synchronised. It excludes choosing weights and warming "
    "up. A difference in time between methods holds for this machine and these images.",
    "Weights are fixed; automatic (chosen without the true image); tuned (on other images, with the same budget for "
    "each method); or oracle (chosen on the tested image's own truth: an upper bound, not a method).",
    "Curves along the run are means over the pairs of the estimate's score after a given time. A run that has ended "
    "keeps its result.",
)


def counts(collection: Collection) -> list[tuple[str, int]]:
    """Count the cells by status; those that have not run yet come last."""
    found = Counter(r.status for r in collection.records)
    every: list[tuple[str, int]] = [(s, found[s]) for s in STATUSES if found[s]]
    waiting = sum(m.reason == WAITING for t in collection.tasks for m in t.missing_results())
    return [*every, (NOT_RUN, waiting)] if waiting else every


def overview(collection: Collection, measure: Measure) -> Table:
    """Show the mean of each method in each task, and its mean rank over the tasks that have it."""
    compared = [t.compare(measure) for t in collection.tasks]
    methods = list(dict.fromkeys(m for t in collection.tasks for m in t.methods))
    rows: list[tuple[float, list[Value]]] = []
    for method in methods:
        ranks = [c.rank[method] for c in compared if method in c.rank]
        rank = math.fsum(ranks) / len(ranks) if ranks else math.inf
        row = [text(method), number(rank, f"{rank:.2f}") if ranks else number(None)]
        for task, comparison in zip(collection.tasks, compared, strict=True):
            if method not in comparison.mean:
                reason = comparison.apart.get(method) if method in task.methods else "no such cell"
                row.append(number(None, note=reason or "no pair that all methods have"))
                continue
            mean = comparison.mean[method].mean
            near = comparison.tied_with_best(method) and method != comparison.best
            row.append(
                number(
                    mean,
                    measure.text(mean) + ("≈" if near else ""),
                    best=method == comparison.best,
                    note="not significantly different from the best" if near else "",
                )
            )
        rows.append((rank, row))
    rows.sort(key=lambda r: r[0])  # methods without a rank, at infinity, come last
    heads = [
        Head(text="method", numeric=False, axis=True),
        Head(text="mean rank", note="Over the tasks that have the method; 1 is the best."),
    ]
    shown = zip(titles(collection.tasks), compared, strict=True)
    heads += [Head(text=name, note=_over(len(c.pairs), c.possible)) for name, c in shown]
    # Columns name only the operator if all tasks have one noise; the title then names it.
    noises = {t.noise for t in collection.tasks}
    common = f", all with {noises.pop()}" if len(noises) == 1 and "" not in noises else ""
    return Table(
        key="overview",
        title=f"Mean {measure.head} of every task{common}",
        head=tuple(heads),
        rows=tuple(tuple(r[1]) for r in rows),
        notes=(
            "Bold: the best mean. ≈: the paired difference to it is not significantly different from zero (95 %).",
        ),
    )


def every_cell(collection: Collection) -> Table:
    """Show every cell with its status, scores, costs and reason."""
    columns = cell_columns(collection.measures)
    rows = [row for row in cell_rows(collection.tasks) if not row.excluded]
    return Table(
        key="cells",
        title="Every cell",
        head=tuple(head for head, _ in columns),
        rows=tuple(tuple(value(row) for _, value in columns) for row in rows),
        anchors=tuple(f"cell-{row.record.key}" if row.record else "" for row in rows),
    )


def missing_results(collection: Collection) -> Table:
    """List the cells without a result, the reason, and how to run each again."""
    heads = ("task", "method", "image", "seed", "what happened", "reason", "to run it again")
    rows = [
        (
            text(task.title), text(m.method), text(m.pair.image), number(m.pair.seed),
            text(_what_happened(m), status=_what_happened(m)), text(m.reason), text(m.replay),
        )
        for task in collection.tasks for m in task.missing_results()
    ]  # fmt: skip
    return Table(
        key="missing",
        title="Cells without a result",
        head=tuple(Head(text=h, numeric=h == "seed", axis=h in AXES) for h in heads),
        rows=tuple(rows),
    )


def _what_happened(missing: MissingResult) -> str:
    if missing.status is None:
        return NOT_RUN if missing.reason == WAITING else LEFT_OUT
    return "not finite" if missing.status == "ok" else missing.status


def _over(pairs: int, possible: int) -> str:
    return (
        f"Over {pairs} of {possible} pairs of image and seed, those that all compared methods have."
    )
