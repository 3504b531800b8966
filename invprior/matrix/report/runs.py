"""The curves of single runs, as the page's script draws them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invprior.io.plain_text import printable
from invprior.matrix.analysis.tasks import Measure, Task
from invprior.matrix.report.figures import fits
from invprior.matrix.results.record import Record


def runs_of(task: Task, measures: tuple[Measure, ...]) -> dict[str, Any]:
    """Return the curve of every run of a task, in values that JSON can hold.

    Args:
        task: its records have the curves.
        measures: the metrics, in the order of the page.

    Returns:
        `measures`: their heads. `methods`: all of the task, in the order of the figures' colours. `runs`: for each its
        method, image, seed, `step` and `seconds` of its points, and `scores`, a list for each metric that is empty
        if the curve lacks it.
    """
    found = []
    for method, row in task.records.items():
        for pair, record in row.items():
            points = [p for p in record.curve if _drawable(p)]
            if points:
                found.append(
                    {
                        "method": printable(method),
                        "image": printable(pair.image),
                        "seed": pair.seed,
                        "step": [int(p["step"]) for p in points],
                        "seconds": [_short(p["seconds"]) for p in points],
                        "scores": [_scores(record, points, m.name) for m in measures],
                    }
                )
    heads = [printable(m.head) for m in measures]
    return {"measures": heads, "methods": [*map(printable, task.methods)], "runs": found}


def _drawable(point: Mapping[str, float]) -> bool:
    """Whether logarithmic axes have a place for it."""
    return point.get("step", 0) > 0 < point.get("seconds", 0) and fits(*point.values())


def _scores(record: Record, points: list[Mapping[str, float]], name: str) -> list[float]:
    return [_short(p[name]) for p in points] if all(name in p for p in points) else []


def _short(value: float) -> float:
    return float(f"{value:.5g}")  # no reader sees more, and every digit is in the page
