"""The report's figures as plain rows, for other programs."""

from __future__ import annotations

from typing import TypeAlias

from invprior.matrix.analysis.tasks import Collection
from invprior.matrix.report.figures import seconds
from invprior.matrix.report.overview import WAITS

Rows: TypeAlias = tuple[list[str], list[list[object]]]  # header and rows


def cells(collection: Collection) -> Rows:
    """Every planned cell, with all figures of its record; what it lacks is None."""
    names = list(dict.fromkeys(n for r in collection.records for n in r.metrics))
    header = ["key", "operator", "noise", "method", "prior", "solver", "stop", "image", "seed"]
    header += ["status", "reason", "weights", *names, *(f"first guess {n}" for n in names)]
    header += [
        "solve_seconds",
        "warm_up_seconds",
        "tuning_seconds",
        "whole_seconds",
        "memory_bytes",
    ]
    header += ["steps", "forward", "adjoint", "threads", "device", "created", "replay"]
    rows: list[list[object]] = []
    for task in collection.tasks:
        reasons = {(h.method, h.pair): h.reason for h in task.missing_results()}
        for method in task.methods:
            for pair in task.pairs:
                why = reasons.get((method, pair), "")
                r = task.records[method].get(pair)
                if r is None:
                    left_out = pair in task.excluded.get(method, ())
                    row = [None, task.operator, task.noise, method, None, None, None, *pair]
                    row += ["left out" if left_out else WAITS, why]
                    rows.append([*row, *[None] * (len(header) - len(row))])
                    continue
                c, s = r.cell, r.seconds
                rows.append([
                    r.key, c.operator, c.noise, method, c.prior, c.solver, c.stop, c.image, c.seed,
                    r.status, why, r.weights, *(r.metrics.get(n) for n in names),
                    *(r.baseline.get(n) for n in names), s.solve, s.warm_up, s.tuning, s.whole, r.memory,
                    r.steps, r.calls.get("forward"), r.calls.get("adjoint"), r.threads, r.device, r.created,
                    r.replay,
                ])  # fmt: skip
    return header, rows


def methods(collection: Collection) -> Rows:
    """What each metric says about each method of each task."""
    header = [
        "operator",
        "noise",
        "method",
        "metric",
        "unit",
        "pairs",
        "pairs_possible",
        "mean",
        "half_interval",
    ]
    header += [
        "values",
        "over",
        "to_best",
        "to_best_half_interval",
        "rank",
        "solve_seconds",
        "not_compared",
    ]
    rows: list[list[object]] = []
    for task in collection.tasks:
        for measure in collection.measures:
            found = task.compare(measure)
            times = seconds(task, found)
            for method in [*found.methods, *found.apart]:
                row: list[object] = [task.operator, task.noise, method, measure.name, measure.unit]
                row += [len(found.pairs), found.possible]
                if method in found.mean:
                    mean, behind = found.mean[method], found.behind.get(method)
                    row += [mean.mean, mean.half, mean.count, mean.over]
                    row += [behind.mean, behind.half] if behind else [0.0, 0.0]
                    row += [found.rank[method], times[method], ""]
                else:
                    row += [None] * 8 + [found.apart.get(method, "no pair that all methods have")]
                rows.append(row)
    return header, rows
