"""Averages beside the published ones."""

from __future__ import annotations

import math

from invprior.matrix.analysis.statistics import Scores
from invprior.matrix.analysis.tasks import Measure, Task
from invprior.matrix.config.published import Published
from invprior.matrix.report.table import NOTHING, Head, Table, Value, number, signed, text


def averages(task: Task, measure: Measure, key: str, published: Published) -> Table:
    """Set measured averages beside published ones.

    The difference is taken over the same images where the published figures are known image by image,
    else between the averages, and then only when every image of the table was measured.
    """
    found, scores = task.compare(measure), task.scores(measure)
    ours = list(dict.fromkeys(p.image for p in task.pairs))
    whole = sorted({p for row in published.images.values() for p in row})
    rows = []
    order = [*found.methods, *found.apart]
    for method in [*order, *published.others(order)]:
        name = published.method(method)
        known = published.images.get(name or "", {})
        mean = found.mean[method].mean if method in found.mean else None
        if method in found.mean:
            shared = [p for p in dict.fromkeys(p.image for p in found.pairs) if p in known]
            pairs = [p for p in found.pairs if p.image in shared]
            measured = _over_images({p: scores[method][p] for p in pairs})
        else:
            shared, measured = [p for p in ours if p in known], None
        same = math.fsum(known[p] for p in shared) / len(shared) if shared else None
        printed = published.averages.get(name or "")
        basis = same
        if same is None and set(whole) == {p.image for p in found.pairs}:
            basis, measured = printed, mean
        difference = None if basis is None or measured is None else measured - basis
        rows.append(
            (
                text(method),
                _figure(mean, measure),
                text(name or NOTHING),
                _figure(same, measure, f"Over {', '.join(shared)}." if shared else ""),
                _figure(printed, measure),
                number(
                    difference, None if difference is None else signed(measure.text(difference))
                ),
            )
        )
    heads = (
        Head(text="method", numeric=False),
        Head(text="measured", note="Mean over the pairs that all methods have."),
        Head(text="beside", numeric=False, note="The published row that it is compared with."),
        Head(text="published, same images", note="Mean of the published figures of these images."),
        Head(text="published average", note=f"As printed, over all {len(whole)} images of the table."),
        Head(text="difference", note="Measured less published, over the same images."),
    )  # fmt: skip
    return Table(
        key=f"{key}-published",
        title=f"{measure.head} beside {published.title}",
        head=heads,
        rows=tuple(rows),
        notes=(published.source, *published.remarks),
    )


def _over_images(scores: Scores) -> float | None:
    """Average over seeds, then over images, as the published averages weigh each image once."""
    by: dict[str, list[float]] = {}
    for (image, _), value in scores.items():
        by.setdefault(image, []).append(value)
    return math.fsum(math.fsum(v) / len(v) for v in by.values()) / len(by) if by else None


def _figure(value: float | None, measure: Measure, note: str = "") -> Value:
    return number(value, None if value is None else measure.text(value), note=note)
