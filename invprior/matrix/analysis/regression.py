"""Compare quality with a baseline's: is it worse by more than the scatter over seeds explains?

Both sides have the same cells, so each difference is paired: same image, same seed, same measurement. If only the code
has changed, what is left is how much the differences of one image scatter over its seeds. That scatter, pooled over the
images of a row, is the noise. A row is worse if its mean difference is below zero by more than the one-sided Student's
t allows. The 5 % of false alarms hold for the whole comparison: they are divided by the number of rows that have
changed noticeably (Bonferroni).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from scipy import stats

from invprior.errors import MeasurementError
from invprior.io import files, small_files
from invprior.io.typed import typed
from invprior.matrix.analysis.tasks import measures_of
from invprior.matrix.config import deprecated
from invprior.matrix.results.record import Cell, paths
from invprior.matrix.results.verify import load

# Share of comparisons that fail although nothing is worse, if differences are normal.
FALSE_ALARMS = 0.05
LEAST = 0.0005  # of the baseline's mean: 0.015 dB at 30 dB; no table shows a smaller drop

Results: TypeAlias = Mapping[Cell, Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class _Scores:
    """What a file of benchmarks has of a cell."""

    cell: Cell
    metrics: Mapping[str, float]


class Row(NamedTuple):
    """What one verdict is about: all images and seeds of a method on a task, by one metric."""

    operator: str
    noise: str
    method: str
    prior: str
    solver: str
    stop: str
    metric: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The comparison of one row.

    Attributes:
        baseline: mean of the baseline over the pairs.
        change: mean difference, new minus baseline.
        allowed: how much worse the row may be.
        pairs: number of pairs of image and seed that both sides have.
        worse: whether the change is a drop of more than `allowed`.
    """

    row: Row
    unit: str
    baseline: float
    change: float
    allowed: float
    pairs: int
    worse: bool


@dataclass(frozen=True, kw_only=True)
class RegressionReport:
    """The whole comparison.

    Attributes:
        verdicts: in the order of their rows' texts.
        lost: cells that have a result in the baseline alone.
        new: number of cells that the baseline does not have.
    """

    verdicts: tuple[Verdict, ...]
    lost: tuple[Cell, ...]
    new: int

    @property
    def passed(self) -> bool:
        """Whether no row is worse and no cell is lost."""
        return not self.lost and not any(v.worse for v in self.verdicts)


def compare(baseline: Results, new: Results) -> RegressionReport:
    """Compare two results of the same cells.

    Args:
        baseline: scores by cell and metric; cells without a result are absent.
        new: the same.

    Raises:
        MeasurementError: the two have no cell in common, or a row that has changed has one seed only.
    """
    shared = [cell for cell in baseline if cell in new]
    if not shared:
        raise MeasurementError(
            "The baseline and the new results have no cell in common. Run the same matrix for both."
        )
    measures, unknown = measures_of(baseline[cell] for cell in shared)
    if unknown:
        raise MeasurementError("; ".join(unknown.values()))
    known = {m.name: m for m in measures}
    rows: dict[Row, dict[Cell, float]] = {}
    for cell in shared:
        for name, value in baseline[cell].items():
            now = new[cell].get(name, math.nan)  # NaN makes the row worse, see below
            # Two infinite scores, of perfect restorations, are equal; their difference would be NaN.
            rows.setdefault(_row(cell, name), {})[cell] = 0.0 if value == now else now - value
    means = {
        row: math.fsum(baseline[c][row.metric] for c in values) / len(values)
        for row, values in rows.items()
    }
    # Infinite means, of perfect restorations, have no relative tolerance.
    least = {row: LEAST * abs(m) if math.isfinite(m) else 0.0 for row, m in means.items()}
    # Only these rows can raise a false alarm, so only they share the allowed 5 %.
    changed = {row for row, values in rows.items() if max(map(abs, values.values())) > least[row]}
    level = 1 - FALSE_ALARMS / max(len(changed), 1)
    verdicts = []
    for row, differences in sorted(rows.items()):
        measure = known[row.metric]
        change = math.fsum(differences.values()) / len(differences)
        allowed = least[row] + (_allowance(row, differences, level) if row in changed else 0.0)
        drop = -change if measure.higher_is_better else change
        worse = not drop <= allowed  # also NaN, a score that is gone
        verdicts.append(
            Verdict(row=row, unit=measure.unit, baseline=means[row], change=change, allowed=allowed,
                    pairs=len(differences), worse=worse)
        )  # fmt: skip
    lost = tuple(cell for cell in baseline if cell not in new)
    added = sum(c not in baseline for c in new)
    return RegressionReport(verdicts=tuple(verdicts), lost=lost, new=added)


def _row(cell: Cell, metric: str) -> Row:
    return Row(cell.operator, cell.noise, cell.method, cell.prior, cell.solver, cell.stop, metric)


def _allowance(row: Row, differences: Mapping[Cell, float], level: float) -> float:
    """Return how far noise alone may move the mean below zero; the scatter is pooled over images."""
    images: dict[str, list[float]] = {}
    for cell, value in differences.items():
        images.setdefault(cell.image, []).append(value)
    degrees_of_freedom = len(differences) - len(images)
    if not degrees_of_freedom:
        raise MeasurementError(
            f"{row.method} with {row.operator} has changed, and with one seed a drop cannot be told from noise. Give "
            '"seeds" of the matrix at least two values, better three to five, for both results.'
        )
    # Within each image: how hard an image is does not count as noise.
    squares = math.fsum((v - math.fsum(p) / len(p)) ** 2 for p in images.values() for v in p)
    error = math.sqrt(squares / degrees_of_freedom / len(differences))
    return float(stats.t.ppf(level, degrees_of_freedom)) * error


def read(path: Path) -> Results:
    """Read results: a folder that `invprior matrix run` wrote, or a JSON file of pytest-benchmark.

    Files of earlier releases, in which cells have other words, are read too.

    Raises:
        FormatError: the folder is of another release.
        MeasurementError: the path is neither.
    """
    if files.check_name(path).is_dir():
        return {r.cell: r.metrics for r in map(load, paths(path)) if r.status == "ok"}
    try:
        benchmarks = json.loads(small_files.read_text(path))["benchmarks"]
        infos = [b["extra_info"] for b in benchmarks if "cell" in b["extra_info"]]
        known = [{**info, "cell": deprecated.cell(info["cell"])} for info in infos]
        scores = [typed(_Scores, info, "a benchmark") for info in known]
        return {found.cell: found.metrics for found in scores}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise MeasurementError(
            f'"{path}" is neither a folder of results nor a file of "pytest benchmarks --benchmark-json" ({error}).'
        ) from None
