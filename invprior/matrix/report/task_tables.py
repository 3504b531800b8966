"""The tables of one task: methods compared, images one by one, who beats whom."""

from __future__ import annotations

import math
from collections import Counter

from invprior.matrix.analysis.statistics import LEVEL, Comparison, Interval
from invprior.matrix.analysis.tasks import Measure, Task
from invprior.matrix.config.published import Published
from invprior.matrix.report.figures import seconds
from invprior.matrix.report.overview import duration, took
from invprior.matrix.report.table import NOTHING, Head, Table, Value, number, signed, text

_PERCENT = f"{LEVEL:.0%}".replace("%", " %")


def methods(task: Task, measures: tuple[Measure, ...], key: str) -> Table:
    """Compare the methods of a task: means with intervals, distance to the best, ranks, costs.

    Args:
        task: what to show.
        measures: at least one; the first one ranks.
        key: the beginning of the sheet's own.
    """
    compared = [task.compare(m) for m in measures]
    first, measure = compared[0], measures[0]
    times = seconds(task, first)
    heads = [Head(text="method", numeric=False)]
    heads += [Head(text=m.head, note=f"Mean and {_PERCENT} interval.") for m in measures]
    heads += [
        Head(text=f"to the best [{measure.unit}]" if measure.unit else "to the best",
             note=f"Paired difference of {measure.title} to the best method, with its {_PERCENT} interval."),
        Head(text="rank", note=f"Mean rank by {measure.title} over the pairs; 1 is the best."),
        Head(text="wins [%]", note="Share of the pairs won against another method, averaged over the others."),
        Head(text="time [s]", note="Mean time of the reconstruction alone."),
        Head(text="tuning [s]", note="Mean time spent on the choice of the weight."),
        Head(text="memory [MB]", note="The largest peak of its cells."),
        Head(text="A / Aᵀ", note="Mean calls of the operator and of its adjoint."),
        Head(text="weights", numeric=False, note="Fixed, automatic without the truth, tuned on other images, "
             "or oracle: chosen on the test's own truth."),
        Head(text="results", note="Cells with a result, of those planned."),
    ]  # fmt: skip
    rows = []
    for method in [*first.methods, *first.apart]:
        row = [text(method, note=first.apart.get(method, ""))]
        row += [_mean(c, m, method) for c, m in zip(compared, measures, strict=True)]
        row.append(_behind(first, measure, method))
        if method in first.mean:
            others = [first.wins[method, o] for o in first.methods if o != method]
            share = 100 * math.fsum(others) / len(others) if others else None
            row += [number(first.rank[method], f"{first.rank[method]:.2f}")]
            row += [
                number(share, f"{share or 0:.0f}"),
                number(times[method], duration(times[method])),
            ]
        else:
            row += [number(None)] * 3
        rows.append((*row, *_costs(task, first, method)))
    return Table(
        key=f"{key}-methods",
        title=task.title,
        head=tuple(heads),
        rows=tuple(rows),
        notes=tuple(_notes(task, measure, first)),
    )


def _mean(comparison: Comparison, measure: Measure, method: str) -> Value:
    if method not in comparison.mean:
        return number(None)
    found = comparison.mean[method]
    return number(found.mean, _printed(found, measure), best=method == comparison.best)


def _printed(interval: Interval, measure: Measure) -> str:
    half = "" if math.isnan(interval.half) else f" ± {measure.text(interval.half)}"
    return measure.text(interval.mean) + half


def _behind(comparison: Comparison, measure: Measure, method: str) -> Value:
    if method == comparison.best:
        return Value(text="best", sort=0.0)
    if method not in comparison.behind:
        return number(None)
    found = comparison.behind[method]
    near = comparison.tied_with_best(method)
    return number(
        found.mean,
        signed(_printed(found, measure)) + (" ≈" if near else ""),
        note="not told apart from the best" if near else "",
    )


def _costs(task: Task, comparison: Comparison, method: str) -> list[Value]:
    row = task.records[method]
    ran = [row[p] for p in comparison.pairs] if method in comparison.mean else []
    tuning = math.fsum(r.seconds.tuning for r in ran) / len(ran) if ran else 0.0
    memory = max((r.memory for r in ran), default=0) / 1e6
    calls = Counter[str]()
    for record in ran:
        calls.update(record.calls)
    applied = [f"{calls[k] / len(ran):.0f}" for k in ("forward", "adjoint")] if calls else []
    weights = sorted({r.weights for r in row.values() if r.cell.solver})  # else there are none
    held, planned = sum(r.status == "ok" for r in row.values()), len(task.pairs)
    planned -= len(task.excluded.get(method, ()))
    failed = Counter(h.status or h.reason for h in task.missing_results() if h.method == method)
    return [
        took(tuning),
        number(memory or None, f"{memory:.0f}"),
        number(calls["forward"] / len(ran), " / ".join(applied)) if applied else number(None),
        text(", ".join(weights) or NOTHING),
        number(
            held,
            f"{held} of {planned}",
            note=", ".join(f"{n} {status}" for status, n in failed.items()),
        ),
    ]


def _notes(task: Task, measure: Measure, comparison: Comparison) -> list[str]:
    notes = []
    if comparison.pairs:
        images = len({p.image for p in comparison.pairs})
        basis = f"Over {len(comparison.pairs)} of {comparison.possible} pairs of image and seed"
        basis += f" ({images} images), those that all compared methods have."
        notes.append(basis)
        over = next(iter(comparison.mean.values()))
        if over.count < 2:
            notes.append("One value tells nothing about scatter, so there is no interval.")
        elif over.over == "seeds":
            notes.append("The intervals are over the seeds of one image.")
        else:
            several = len({p.seed for p in comparison.pairs}) > 1
            first = ", seeds averaged first" if several else ""
            notes.append(f"The intervals are over the {over.count} images{first}.")
        guess = task.initial_estimate(measure, comparison.pairs)
        if guess is not None:
            notes.append(
                f"The best simple reconstruction scores {measure.text(guess)} {measure.unit}".rstrip()
                + "."
            )
    else:
        notes.append(
            "There is no pair of image and seed that all methods have, so nothing is averaged."
        )
    for why in dict.fromkeys(comparison.apart.values()):
        names = [m for m, reason in comparison.apart.items() if reason == why]
        notes.append(f"Not compared: {', '.join(names)}: {why}.")
    return notes


def images(task: Task, measure: Measure, key: str, published: Published | None = None) -> Table:
    """Show every method's figure for every image, averaged over its seeds; published rows at the end."""
    comparison, held, why = task.compare(measure), _by_image(task, measure), _reasons(task)
    names = list(dict.fromkeys(p.image for p in task.pairs))
    seeds = Counter(p.image for p in task.pairs)
    choose = max if measure.higher_is_better else min
    means = {place: math.fsum(found) / len(found) for place, found in held.items()}
    best: dict[str, float] = {}
    for (_, name), mean in means.items():
        best[name] = choose(best.get(name, mean), mean)
    rows = []
    for method in [*comparison.methods, *comparison.apart]:
        row = published.method(method) if published else None
        known = published.images.get(row or "", {}) if published else {}
        values = [text(method)]
        for name in names:
            found, reason = held.get((method, name)), why.get((method, name), "")
            if found is None:
                values.append(number(None, note=reason))
                continue
            mean = means[method, name]
            if name in known:
                difference = signed(measure.text(mean - known[name]))
                said = f"{difference} to the published {measure.text(known[name])}. {reason}"
                reason = said.rstrip()
            few = "" if len(found) == seeds[name] else f" ({len(found)} of {seeds[name]})"
            shown = measure.text(mean)
            same = shown == measure.text(best[name])
            values.append(number(mean, shown + few, best=same, note=reason))
        rows.append(tuple(values))
    for row, known in (published.images if published else {}).items():
        if any(name in known for name in names):
            figures = (_known(known.get(name), measure) for name in names)
            rows.append((text(f"{row}, published"), *figures))
    notes = ["Means over the seeds that each method has."] if max(seeds.values()) > 1 else []
    return Table(
        key=f"{key}-images",
        title=f"{measure.head} by image: {task.title}",
        head=(Head(text="method", numeric=False), *(Head(text=name) for name in names)),
        rows=tuple(rows),
        notes=(*notes, "Bold: the best of those measured here."),
    )


def _by_image(task: Task, measure: Measure) -> dict[tuple[str, str], list[float]]:
    """The finite figures of each method on each image, one a seed; absent where there is none."""
    held: dict[tuple[str, str], list[float]] = {}
    for method, scores in task.scores(measure).items():
        for pair, value in scores.items():
            if math.isfinite(value):
                held.setdefault((method, pair.image), []).append(value)
    return held


def _reasons(task: Task) -> dict[tuple[str, str], str]:
    """Why a method lacks results on an image."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for hole in task.missing_results():
        said = f"{hole.status}: {hole.reason}" if hole.status else hole.reason
        found.setdefault((hole.method, hole.pair.image), {})[said] = None
    return {place: "; ".join(said) for place, said in found.items()}


def _known(value: float | None, measure: Measure) -> Value:
    return number(value, None if value is None else measure.text(value))


def wins(task: Task, measure: Measure, key: str) -> Table:
    """Show how often the method of a row beats that of a column, in percent of the pairs."""
    found = task.compare(measure)
    names = [m for m in found.methods if m in found.mean]
    rows = [
        (text(a), *(number(None) if a == b else number(100 * found.wins[a, b], f"{100 * found.wins[a, b]:.0f}")
                    for b in names))
        for a in names
    ]  # fmt: skip
    return Table(
        key=f"{key}-wins",
        title=f"Wins of the row over the column by {measure.title}, in %: {task.title}",
        head=(Head(text="method", numeric=False), *(Head(text=m) for m in names)),
        rows=tuple(rows),
        notes=(f"Of {len(found.pairs)} pairs of image and seed; a tie counts a half.",),
    )
