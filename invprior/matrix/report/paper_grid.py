"""The image grid of a paper: truth, measurement and restorations, each with the same part enlarged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from invprior.experiments.plots import VERMILION
from invprior.matrix.analysis.statistics import Pair
from invprior.matrix.analysis.tasks import Measure, Task
from invprior.matrix.report.figures import plain
from invprior.matrix.report.images import first_pairs, inset_box, open_image
from invprior.matrix.report.rows import MOST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = 1.7  # width of an image, in inches
_INSET = 0.42  # side of an inset, as a part of the image


def grid(folder: Path, task: Task, measure: Measure) -> Figure | None:
    """Draw a row for each image with its first seed; None if no method has an image.

    Args:
        folder: of the results.
        task: what to draw.
        measure: the score that stands below each restoration.
    """
    from matplotlib.figure import Figure

    methods = tuple(m for m in task.methods if not _is_measurement(task, m))[:MOST]
    rows = [(pair, _row(folder, task, pair, methods)) for pair in first_pairs(task)]
    rows = [
        (pair, images)
        for pair, images in rows
        if any(isinstance(i, Image.Image) for i in images[2:])
    ]
    if not rows:
        return None
    heads = ["truth", "measurement", *methods]
    labels = [None, _baseline, *([_own] * len(methods))]
    # By the first image of each row, so that the panels of a row touch.
    heights = [_aspect(images) * _PANEL for _, images in rows]
    size = (_PANEL * len(heads) + 0.3, sum(heights) + 0.35 * len(rows) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(rows), len(heads), squeeze=False, height_ratios=heights)
    for line, (pair, images) in zip(panels, rows, strict=True):
        restored = [i for i in images[2:] if isinstance(i, Image.Image)]
        box = inset_box(restored, images[0] if isinstance(images[0], Image.Image) else None)
        for axes, image, head, below in zip(line, images, heads, labels, strict=True):
            axes.set(xticks=[], yticks=[])
            if isinstance(image, str):  # why there is none; the report has the reason in full
                axes.set_axis_off()
                axes.text(0.5, 0.5, "no image", ha="center", va="center", fontsize=8)
                continue
            _show(axes, image)
            if box and image.size == restored[0].size:
                _enlarge(axes, image, box)
            text = "" if below is None else below(task, pair, head, measure)
            axes.set_xlabel(text, fontsize=8, labelpad=2)
        if len(rows) > 1:
            line[0].set_ylabel(plain(pair.image), fontsize=8)
    for axes, head in zip(panels[0], heads, strict=True):
        axes.set_title(plain(head), fontsize=9)
    return figure


def _row(folder: Path, task: Task, pair: Pair, methods: tuple[str, ...]) -> list[Image.Image | str]:
    records = [task.records[m].get(pair) for m in methods]
    shared = [
        open_image(folder, next((r for r in records if r and role in r.places), None), role)
        for role in ("truth", "measurement")
    ]
    return shared + [open_image(folder, r, "image") for r in records]


def _aspect(images: list[Image.Image | str]) -> float:
    first = next(i for i in images if isinstance(i, Image.Image))
    return first.height / first.width


def _show(axes: Axes, image: Image.Image) -> None:
    # Pixels as they are: an interpolated image would look smoother than the method left it.
    axes.imshow(np.asarray(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.spines[:].set_visible(False)


def _enlarge(axes: Axes, image: Image.Image, box: tuple[int, int, int, int]) -> None:
    """Frame the box, and show it in the corner that is farthest from it."""
    from matplotlib.patches import Rectangle

    left, top, right, bottom = box
    frame: Any = {"edgecolor": VERMILION, "linewidth": 0.8}
    axes.add_patch(
        Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, **frame)
    )
    # The inset is square on the page, as the box is in the image.
    width, height = _INSET, _INSET * image.width / image.height
    x = 0.0 if left + right > image.width else 1 - width
    y = 0.0 if top + bottom < image.height else 1 - height
    inset = axes.inset_axes((x, y, width, height))
    inset.set(xticks=[], yticks=[])
    inset.imshow(
        np.asarray(image.crop(box)), cmap="gray", vmin=0, vmax=255, interpolation="nearest"
    )
    inset.spines[:].set(**frame)


def _is_measurement(task: Task, method: str) -> bool:
    """Whether the method returns the measurement, which has a column already."""
    found = {r.cell.prior for r in task.records[method].values()}
    return found == {"measurement"}


def _baseline(task: Task, pair: Pair, _: str, measure: Measure) -> str:
    """Return the measurement's score; nothing where it has another size than the image."""
    records = [row[pair] for row in task.records.values() if pair in row]
    known = [r.baseline for r in records if r.baseline_name == "measurement"]
    return _shown(known[0].get(measure.name) if known else None, measure)


def _own(task: Task, pair: Pair, method: str, measure: Measure) -> str:
    """Return the score of a restoration; of a run that failed, its status."""
    record = task.records[method][pair]  # which has an image
    return (
        _shown(record.metrics.get(measure.name), measure)
        if record.status == "ok"
        else record.status
    )


def _shown(value: float | None, measure: Measure) -> str:
    return "" if value is None else f"{measure.text(value)} {measure.unit}".rstrip()
