"""The report's figures: quality against time, and quality along the run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from invprior.experiments.plots import DASHES, FAMILIES, MARKERS
from invprior.io.plain_text import printable
from invprior.matrix.analysis.statistics import Comparison
from invprior.matrix.analysis.tasks import Measure, Task
from invprior.matrix.report.rows import MOST, mean_seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, RULE = "#333333", "#DDDDDD"
# Seconds. Simple reconstructions are faster; at their own times they would add empty decades to the axis.
SHORTEST = 1e-3
_LARGEST = 1e12  # of times and scores in a figure
_SAMPLES = 200  # points of an averaged curve
Styles: TypeAlias = Mapping[str, tuple[str, str, Any]]


def styles(methods: Sequence[str]) -> Styles:
    """Return a unique combination of colour, marker and dash for each method."""
    count = len(FAMILIES)
    return {
        # Shifted by the round, so that a colour gets another marker when it comes again.
        m: (FAMILIES[i % count], MARKERS[(i + i // count) % len(MARKERS)], DASHES[i // count % len(DASHES)])
        for i, m in enumerate(methods)
    }  # fmt: skip


def quality_against_time(task: Task, measure: Measure, comparison: Comparison) -> Figure | None:
    """Draw each method at its mean time and mean quality; None if nothing can be compared.

    Bars are the intervals of the means. The frame cuts long ones off: with few images they would dwarf everything
    else. Times below a millisecond are drawn at a millisecond.
    """
    times = mean_seconds(task, comparison)
    drawable = [
        m for m in comparison.methods if m in times and fits(times[m], comparison.mean[m].mean)
    ]
    shown = drawable[:MOST]
    if not shown:
        return None
    # Only the drawing: tables have the true times.
    times = {m: max(t, SHORTEST) for m, t in times.items()}
    figure, axes = _page()
    chosen = styles(task.methods)
    for method in shown:
        colour, marker, _ = chosen[method]
        mean = comparison.mean[method]
        axes.errorbar(
            times[method], mean.mean, yerr=0 if math.isnan(mean.half) else mean.half, fmt=marker,
            color=colour, ecolor=colour, elinewidth=1, capsize=3, markersize=8, label=_label(method),
            markeredgecolor=INK, markeredgewidth=0.6,
        )  # fmt: skip
    _times(axes, [times[m] for m in shown])
    means = [comparison.mean[m].mean for m in shown]
    # By the means alone, so that long intervals do not set the scale.
    # Equal means span nothing; then it is 5 % of the value, and 1 around 0.
    room = 0.35 * (max(means) - min(means)) or 0.05 * abs(means[0]) or 1.0
    axes.set_ylim(min(means) - room, max(means) + room)
    axes.set_xlabel("time of the reconstruction [s]")
    axes.set_ylabel(plain(f"mean {measure.head}"))
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def curves(task: Task, measure: Measure, comparison: Comparison) -> Figure | None:
    """Draw the mean quality over the time of the run; None if no method has a curve.

    The curve of a method is the mean over the compared pairs of the estimate's score after a given time. A run that
    has ended keeps its result.
    """
    averaged = {}
    for method in [m for m in comparison.methods if m in comparison.mean][:MOST]:
        runs = [_points(task.records[method][p].curve, measure.name) for p in comparison.pairs]
        if all(len(r) for r in runs):  # a mean over some pairs only would not be comparable
            averaged[method] = _average([r for r in runs if len(r)])
    if not averaged:
        return None
    figure, axes = _page()
    chosen = styles(task.methods)
    for method, (times, values) in averaged.items():
        colour, marker, dash = chosen[method]
        axes.plot(times, values, color=colour, linestyle=dash, linewidth=1.6)
        axes.plot(
            times[-1:], values[-1:], marker, color=colour, label=_label(method), markersize=6,
            markeredgecolor=INK, markeredgewidth=0.6, zorder=3,
        )  # fmt: skip
    _times(axes, [t for times, _ in averaged.values() for t in (times[0], times[-1])])
    axes.set_xlabel("time since the start of the reconstruction [s]")
    axes.set_ylabel(plain(f"mean {measure.head}"))
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _points(curve: Sequence[Mapping[str, float]], name: str) -> NDArray[np.float64]:
    """Return seconds and scores of a curve, (N, 2), without points that no axis holds or not after the start."""
    rows = [(row["seconds"], row[name]) for row in curve if "seconds" in row and name in row]
    good = [(t, v) for t, v in rows if t > 0 and fits(t, v)]
    return np.array(good, np.float64).reshape(-1, 2)


def fits(*values: float) -> bool:
    """Whether an axis can hold values; it overflows above 1e154 or so, and is of no use long before."""
    return all(abs(value) < _LARGEST for value in values)


def _average(
    runs: Sequence[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average step functions that keep their last value, from where all have begun to where the last one ends."""
    begin = max(r[0, 0] for r in runs)
    end = max(begin, *(r[-1, 0] for r in runs))
    times = np.geomspace(begin, end, _SAMPLES) if len(runs) > 1 else runs[0][:, 0]
    # The factor absorbs the rounding of geomspace, so that a point counts at its own time.
    held = [r[np.searchsorted(r[:, 0], times * (1 + 1e-12), side="right") - 1, 1] for r in runs]
    return times, np.mean(held, axis=0)


def _label(method: str) -> str:
    """Return a name that matplotlib neither reads as mathematics nor hides from the legend, as it does after "_"."""
    short = method if len(method) <= 40 else f"{method[:39]}…"
    shown = plain(short)
    return f"\u2009{shown}" if shown.startswith("_") else shown


def plain(text: str) -> str:
    """Return a text that matplotlib shows as it is."""
    return printable(" ".join(text.split())).replace("$", r"\$")


def _page() -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK)
    axes.grid(color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _times(axes: Axes, values: Sequence[float]) -> None:
    """Make the time axis logarithmic, with ticks such as 0.5 and 20, and a margin at both ends."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = min(values) / 1.3, max(values) * 1.3
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    # The fewer decades there are, the more ticks fit into each.
    few = high > 200 * low
    steps = (1.0,) if few else (1.0, 2.0, 5.0) if high > 5 * low else (1, 1.5, 2, 3, 4, 5, 6, 7, 8)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
