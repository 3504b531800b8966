"""The tables of one task: methods compared, scores by image, wins."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from invprior.matrix.analysis.statistics import FEWEST, Comparison
from invprior.matrix.analysis.tasks import Measure, Task
from invprior.matrix.config.published import Published
from invprior.matrix.report.columns import PERCENT, mean_value, method_columns
from invprior.matrix.report.rows import MOST, method_rows
from invprior.matrix.report.table import Head, Table, Value, number, signed, text

# What the column "baseline" of cells.csv calls them.
_BASELINES = {
    "measurement": "The measurement itself",
    "pseudo-inverse": "The damped pseudo-inverse of the measurement",
    "": "The measurement, or its damped pseudo-inverse where the sizes differ,",  # of earlier records
}


def methods(task: Task, measures: tuple[Measure, ...], key: str) -> Table:
    """Compare the methods of a task: means with intervals, difference to the best, ranks, costs.

    Args:
        task: what to show.
        measures: at least one; the first one ranks.
        key: the beginning of the table's own.
    """
    compared = [task.compare(m) for m in measures]
    first = compared[0]
    columns = method_columns(measures[0])
    heads = [Head(text="method", numeric=False, axis=True)]
    heads += [Head(text=m.head, note=f"Mean and {PERCENT} interval.") for m in measures]
    rows = [
        (
            text(row.method, note=first.apart.get(row.method, "")),
            *(mean_value(c, m, row.method) for c, m in zip(compared, measures, strict=True)),
            *(value(row) for _, value in columns),
        )
        for row in method_rows(task, measures[0])
    ]
    return Table(
        key=f"{key}-methods",
        title=task.title,
        head=(*heads, *(head for head, _ in columns)),
        rows=tuple(rows),
        notes=tuple(_notes(task, measures[0], first)),
    )


def _notes(task: Task, measure: Measure, comparison: Comparison) -> list[str]:
    notes = []
    if comparison.pairs:
        images = len({p.image for p in comparison.pairs})
        basis = f"Over {len(comparison.pairs)} of {comparison.possible} pairs of image and seed"
        basis += f" ({images} image{'s' * (images != 1)}), those that all compared methods have."
        notes.append(basis)
        if images < FEWEST:
            notes.append(f"Fewer than {FEWEST} images have no interval.")
        else:
            several = len({p.seed for p in comparison.pairs}) > 1
            first = ", seeds averaged first" if several else ""
            notes.append(f"The intervals are over the {images} images{first}.")
        baseline = task.baseline(measure, comparison.pairs)
        if baseline is not None:
            score = f"{measure.text(baseline)} {measure.unit}".rstrip()
            notes.append(f"{_BASELINES[task.baseline_name]} scores {score}.")
    else:
        notes.append(
            "There is no pair of image and seed that all methods have, so there are no means."
        )
    for reason in dict.fromkeys(comparison.apart.values()):
        names = [m for m, other in comparison.apart.items() if other == reason]
        notes.append(f"Not compared: {', '.join(names)}: {reason}.")
    return notes


def images(task: Task, measure: Measure, key: str, published: Published | None = None) -> Table:
    """Show the score of every method on every image, averaged over its seeds; published rows come last."""
    comparison, scores, reasons = task.compare(measure), _by_image(task, measure), _reasons(task)
    names = list(dict.fromkeys(p.image for p in task.pairs))
    seeds = Counter(p.image for p in task.pairs)
    # Not by the comparison's pairs: this table shows every score that exists.
    choose = max if measure.higher_is_better else min
    means = {place: math.fsum(found) / len(found) for place, found in scores.items()}
    best: dict[str, float] = {}
    for (_, name), mean in means.items():
        best[name] = choose(best.get(name, mean), mean)
    rows = []
    for method in [*comparison.methods, *comparison.apart]:
        row = published.method(method) if published else None
        known: Mapping[str, float] = published.images.get(row or "", {}) if published else {}
        values = [text(method)]
        for name in names:
            found, reason = scores.get((method, name)), reasons.get((method, name), "")
            if found is None:
                values.append(number(None, note=reason))
                continue
            mean = means[method, name]
            if name in known:
                difference = signed(measure.text(mean - known[name]))
                note = f"{difference} to the published {measure.text(known[name])}. {reason}"
                reason = note.rstrip()
            # A mean over fewer seeds than planned says so.
            few = "" if len(found) == seeds[name] else f" ({len(found)} of {seeds[name]})"
            shown = measure.text(mean)
            same = shown == measure.text(best[name])  # ties as printed are all bold
            values.append(number(mean, shown + few, best=same, note=reason))
        rows.append(tuple(values))
    for row, known in (published.images if published else {}).items():
        if any(name in known for name in names):
            cells = (_known(known.get(name), measure) for name in names)
            rows.append((text(f"{row}, published"), *cells))
    notes = ["Means over the seeds that each method has."] if max(seeds.values()) > 1 else []
    return Table(
        key=f"{key}-images",
        title=f"{measure.head} by image: {task.title}",
        head=(Head(text="method", numeric=False, axis=True), *(Head(text=name) for name in names)),
        rows=tuple(rows),
        notes=(*notes, "Bold: the best of the measured methods."),
    )


def _by_image(task: Task, measure: Measure) -> dict[tuple[str, str], list[float]]:
    """Return the finite scores of each method on each image, one a seed; absent without any."""
    found: dict[tuple[str, str], list[float]] = {}
    for method, scores in task.scores(measure).items():
        for pair, value in scores.items():
            if math.isfinite(value):
                found.setdefault((method, pair.image), []).append(value)
    return found


def _reasons(task: Task) -> dict[tuple[str, str], str]:
    """Return why a method lacks results on an image."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for missing in task.missing_results():
        reason = f"{missing.status}: {missing.reason}" if missing.status else missing.reason
        found.setdefault((missing.method, missing.pair.image), {})[reason] = None
    return {place: "; ".join(reasons) for place, reasons in found.items()}


def _known(value: float | None, measure: Measure) -> Value:
    return number(value, None if value is None else measure.text(value))


def wins(task: Task, measure: Measure, key: str) -> Table:
    """Show how often the method of a row beats that of a column, in percent of the pairs; of the best `MOST`."""
    found = task.compare(measure)
    names = [m for m in found.methods if m in found.mean][:MOST]
    rows = [
        (text(a), *(number(None) if a == b else number(100 * found.wins[a, b], f"{100 * found.wins[a, b]:.0f}")
                    for b in names))
        for a in names
    ]  # fmt: skip
    return Table(
        key=f"{key}-wins",
        title=f"Wins of the row over the column by {measure.title}, in %: {task.title}",
        head=(Head(text="method", numeric=False, axis=True), *(Head(text=m) for m in names)),
        rows=tuple(rows),
        notes=(f"Of {len(found.pairs)} pairs of image and seed; a tie counts 1/2.",),
    )
