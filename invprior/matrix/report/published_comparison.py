"""Compare measured averages with the published ones."""

from __future__ import annotations

import math

from invprior.matrix.analysis.statistics import Scores
from invprior.matrix.analysis.tasks import Measure, Task
from invprior.matrix.config.published import Published
from invprior.matrix.report.table import NOTHING, Head, Table, Value, number, signed, text


def averages(task: Task, measure: Measure, key: str, published: Published) -> Table:
    """Show measured averages next to published ones.

    The difference is over the same images if the published values are known image by image. Else it is between the
    averages, and only if every image of the published table was measured.
    """
    found, scores = task.compare(measure), task.scores(measure)
    ours = list(dict.fromkeys(p.image for p in task.pairs))
    # The images of the published table, whatever was measured here.
    whole = sorted({p for row in published.images.values() for p in row})
    rows = []
    order = [*found.methods, *found.apart]
    for method in [*order, *published.others(order)]:
        name = published.method(method)
        known = published.images.get(name or "", {})
        mean = found.mean[method].mean if method in found.mean else None
        if method in found.mean:  # over the images that both have
            shared = [p for p in dict.fromkeys(p.image for p in found.pairs) if p in known]
            pairs = [p for p in found.pairs if p.image in shared]
            measured = _over_images({p: scores[method][p] for p in pairs})
        else:
            shared, measured = [p for p in ours if p in known], None
        same = math.fsum(known[p] for p in shared) / len(shared) if shared else None
        printed = published.averages.get(name or "")
        reference = same
        # A printed average says nothing about a part of its images.
        if same is None and set(whole) == {p.image for p in found.pairs}:
            reference, measured = printed, mean
        difference = None if reference is None or measured is None else measured - reference
        rows.append(
            (
                text(method),
                _score(mean, measure),
                text(name or NOTHING),
                _score(same, measure, f"Over {', '.join(shared)}." if shared else ""),
                _score(printed, measure),
                number(
                    difference, None if difference is None else signed(measure.text(difference))
                ),
            )
        )
    heads = (
        Head(text="method", numeric=False),
        Head(text="measured", note="Mean over the pairs that all methods have."),
        Head(text="compared with", numeric=False, note="The published row."),
        Head(text="published, same images", note="Mean of the published values of these images."),
        Head(text="published average", note=f"As printed, over all {len(whole)} images of the table."),
        Head(text="difference", note="Measured minus published, over the same images."),
    )  # fmt: skip
    return Table(
        key=f"{key}-published",
        title=f"{measure.head} compared with {published.title}",
        head=heads,
        rows=tuple(rows),
        notes=(published.source, *published.remarks),
    )


def _over_images(scores: Scores) -> float | None:
    """Average over seeds, then over images: the published averages weigh each image once."""
    by: dict[str, list[float]] = {}
    for (image, _), value in scores.items():
        by.setdefault(image, []).append(value)
    return math.fsum(math.fsum(v) / len(v) for v in by.values()) / len(by) if by else None


def _score(value: float | None, measure: Measure, note: str = "") -> Value:
    return number(value, None if value is None else measure.text(value), note=note)
