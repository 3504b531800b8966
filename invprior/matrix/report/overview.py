"""Tables over a whole folder of results: the tasks side by side, and every cell."""

from __future__ import annotations

import math
from collections import Counter

from invprior.matrix.analysis.tasks import WAITING, Collection, Measure, MissingResult, titles
from invprior.matrix.report.table import NOTHING, Head, Table, Value, number, text
from invprior.matrix.results.record import STATUSES, Record

WAITS = "not run yet"  # in the column of statuses
HOW = (
    "Methods are compared on the pairs of image and seed that all of them have. Seeds draw the noise, the masks and "
    "the networks' first weights, so methods that share a pair were given the same measurement.",
    "A method without half of the pairs is set apart, named below the table with the reason, and counts for nothing in "
    "the others' figures. Cells without a result are listed with their reason and the command that replays them.",
    "Intervals are Student's t at 95 %, over images, after the seeds of each image were averaged; with one image "
    "they are over its seeds. The difference to the best method is paired. ≈ marks a difference whose interval holds "
    "zero. The best was chosen by these same figures, so the differences to it are a little too large.",
    "Time is that of the reconstruction alone, the device synchronised; choosing a weight and warming up are not in "
    "it. A difference in time between methods holds for this machine and these images.",
    "A weight is fixed, automatic (chosen without the truth), tuned (on other images, each method with the same "
    "budget) or oracle (chosen on the test's own truth: an upper bound, not a method).",
    "Figures along the run are averages over the pairs of what one would hold in hand after so many seconds; a run "
    "that has ended keeps its result.",
)


def counts(collection: Collection) -> list[tuple[str, int]]:
    """Count the cells by status, those that have not run yet last."""
    found = Counter(r.status for r in collection.records)
    every: list[tuple[str, int]] = [(s, found[s]) for s in STATUSES if found[s]]
    waiting = sum(h.reason == WAITING for t in collection.tasks for h in t.missing_results())
    return [*every, (WAITS, waiting)] if waiting else every


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
                why = comparison.apart.get(method) if method in task.methods else "no such cell"
                row.append(number(None, note=why or "no pair that all methods have"))
                continue
            mean = comparison.mean[method].mean
            near = comparison.tied_with_best(method) and method != comparison.best
            row.append(
                number(
                    mean,
                    measure.text(mean) + ("≈" if near else ""),
                    best=method == comparison.best,
                    note="not told apart from the best" if near else "",
                )
            )
        rows.append((rank, row))
    rows.sort(key=lambda r: r[0])
    heads = [
        Head(text="method", numeric=False),
        Head(text="mean rank", note="Over the tasks that have the method; 1 is the best."),
    ]
    shown = zip(titles(collection.tasks), compared, strict=True)
    heads += [Head(text=name, note=_over(len(c.pairs), c.possible)) for name, c in shown]
    noises = {t.noise for t in collection.tasks}
    common = f", all with {noises.pop()}" if len(noises) == 1 and "" not in noises else ""
    return Table(
        key="overview",
        title=f"Mean {measure.head} of every task{common}",
        head=tuple(heads),
        rows=tuple(tuple(r[1]) for r in rows),
        notes=(
            "Bold: the best mean. ≈: the paired difference to it is not told apart from zero (95 %).",
        ),
    )


def every_cell(collection: Collection) -> Table:
    """Show every cell with its status, figures, costs and reason."""
    heads = [
        Head(text=name, numeric=name == "seed")
        for name in ("task", "method", "image", "seed", "status")
    ]  # fmt: skip
    heads += [Head(text=m.head) for m in collection.measures]
    heads += [
        Head(text="solve [s]", note="The reconstruction alone, the device synchronised."),
        Head(text="tuning [s]", note="The choice of the weight."),
        Head(text="memory [MB]", note="Peak of the cell's process, or of the GPU."),
        Head(text="steps"),
        Head(text="weights", numeric=False, note="Where the prior's weight comes from."),
        Head(text="ended", numeric=False, note="Why the run stopped, or why there is no result."),
    ]
    rows = []
    for task in collection.tasks:
        holes = {(h.method, h.pair): h for h in task.missing_results()}
        for method in task.methods:
            for pair in task.pairs:
                record = task.records[method].get(pair)
                if pair in task.excluded.get(method, ()):
                    continue
                status = record.status if record else WAITS
                row = [text(task.title), text(method), text(pair.image), number(pair.seed)]
                row += [text(status, status=status)]
                row += _figures(record, collection.measures)
                row.append(_ended(record, holes.get((method, pair))))
                rows.append(tuple(row))
    return Table(key="cells", title="Every cell", head=tuple(heads), rows=tuple(rows))


def missing_results(collection: Collection) -> Table:
    """List the cells without a result, why, and how to run each again."""
    heads = ("task", "method", "image", "seed", "what happened", "reason", "to run it again")
    rows = [
        (
            text(task.title), text(h.method), text(h.pair.image), number(h.pair.seed),
            text(_happened(h), status=_happened(h)), text(h.reason), text(h.replay),
        )
        for task in collection.tasks for h in task.missing_results()
    ]  # fmt: skip
    return Table(
        key="holes",
        title="Cells without a result",
        head=tuple(Head(text=h, numeric=h == "seed") for h in heads),
        rows=tuple(rows),
    )


def _happened(hole: MissingResult) -> str:
    if hole.status is None:
        return WAITS if hole.reason == WAITING else "left out"
    return "not finite" if hole.status == "ok" else hole.status


def _figures(record: Record | None, measures: tuple[Measure, ...]) -> list[Value]:
    if record is None:
        return [number(None)] * (len(measures) + 4) + [text("")]
    good = [(m, record.metrics.get(m.name)) for m in measures]
    ran = record.seconds.whole > 0
    return [
        *(number(v, None if v is None else m.text(v)) for m, v in good),
        number(record.seconds.solve if ran else None, duration(record.seconds.solve)),
        took(record.seconds.tuning),
        number(record.memory / 1e6 if record.memory else None, f"{record.memory / 1e6:.0f}"),
        number(record.steps if ran and record.cell.solver else None),
        text(record.weights if record.cell.solver else NOTHING),
    ]


def _ended(record: Record | None, hole: MissingResult | None) -> Value:
    if hole is not None:
        return text(hole.reason, note=hole.replay)
    return text(record.stop.message if record and record.stop else "")


def duration(seconds: float) -> str:
    """Print seconds with three digits: 0.012, 3.40, 512."""
    return (
        f"{seconds:.3f}" if seconds < 1 else f"{seconds:.2f}" if seconds < 100 else f"{seconds:.0f}"
    )


def took(seconds: float) -> Value:
    """Show a time; a dash where it is less than is shown."""
    return number(seconds if seconds >= 0.0005 else None, duration(seconds))


def _over(pairs: int, possible: int) -> str:
    return (
        f"Over {pairs} of {possible} pairs of image and seed, those that all compared methods have."
    )
