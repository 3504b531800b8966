"""The gate: is quality worse than a baseline's, by more than the seeds' scatter explains?

Both sides computed the same cells, so each difference is paired: same image, same seed, same measurement. What is
left when the code changes is how much the differences of one image scatter over its seeds; that scatter, pooled
over the images of a row, is the noise. A row is worse when its mean difference is below zero by more than
one-sided Student's t allows. The allowed share of false alarms, 5 %, is for the whole gate: it is divided by the
number of rows that have changed by more than shows (Bonferroni).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from scipy import stats

from invprior.errors import MeasurementError
from invprior.matrix.analysis.tasks import measures_of
from invprior.matrix.results.record import Cell

FALSE_ALARMS = (
    0.05  # share of gates that close though nothing is worse, when differences are normal
)
LEAST = 0.0005  # of the baseline's mean: 0.015 dB at 30 dB; a smaller drop shows in no table

Results: TypeAlias = Mapping[Cell, Mapping[str, float]]


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
    """One row of the gate.

    Attributes:
        baseline: the baseline's mean over the pairs.
        change: mean difference, new less baseline.
        allowed: how much worse it may be.
        pairs: of image and seed, that both sides have.
        worse: whether the change is a drop of more than that.
    """

    row: Row
    unit: str
    baseline: float
    change: float
    allowed: float
    pairs: int
    worse: bool


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The whole comparison.

    Attributes:
        verdicts: in the order of their rows' texts.
        lost: cells that had a result and have none now.
        new: number of cells that the baseline does not have.
    """

    verdicts: tuple[Verdict, ...]
    lost: tuple[Cell, ...]
    new: int

    @property
    def open(self) -> bool:
        """Whether nothing is worse and nothing is lost."""
        return not self.lost and not any(v.worse for v in self.verdicts)


def compare(baseline: Results, new: Results) -> Gate:
    """Compare two results of the same cells.

    Args:
        baseline: figures by cell and metric; cells without a result are absent.
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
            there = new[cell].get(name, math.nan)
            same = value == there  # also two perfect, infinite scores
            rows.setdefault(_row(cell, name), {})[cell] = 0.0 if same else there - value
    means = {
        row: math.fsum(baseline[c][row.metric] for c in values) / len(values)
        for row, values in rows.items()
    }
    least = {row: LEAST * abs(m) if math.isfinite(m) else 0.0 for row, m in means.items()}
    changed = {row for row, values in rows.items() if max(map(abs, values.values())) > least[row]}
    level = 1 - FALSE_ALARMS / max(len(changed), 1)
    verdicts = []
    for row, differences in sorted(rows.items()):
        measure = known[row.metric]
        change = math.fsum(differences.values()) / len(differences)
        allowed = least[row] + (_scatter(row, differences, level) if row in changed else 0.0)
        drop = -change if measure.higher_is_better else change
        worse = not drop <= allowed  # NaN, a figure that is gone, is worse
        verdicts.append(
            Verdict(row=row, unit=measure.unit, baseline=means[row], change=change, allowed=allowed,
                    pairs=len(differences), worse=worse)
        )  # fmt: skip
    lost = tuple(cell for cell in baseline if cell not in new)
    return Gate(verdicts=tuple(verdicts), lost=lost, new=sum(c not in baseline for c in new))


def _row(cell: Cell, metric: str) -> Row:
    return Row(cell.operator, cell.noise, cell.method, cell.prior, cell.solver, cell.stop, metric)


def _scatter(row: Row, differences: Mapping[Cell, float], level: float) -> float:
    """How far the mean of noise alone may fall below zero; the scatter is pooled over images."""
    images: dict[str, list[float]] = {}
    for cell, value in differences.items():
        images.setdefault(cell.image, []).append(value)
    free = len(differences) - len(images)
    if not free:
        raise MeasurementError(
            f'{row.method} with {row.operator} has changed, and one seed does not tell noise from a drop. Give "seeds" '
            "of the matrix at least two, better three to five, for the baseline and for the new results."
        )
    squares = math.fsum((v - math.fsum(p) / len(p)) ** 2 for p in images.values() for v in p)
    return float(stats.t.ppf(level, free)) * math.sqrt(squares / free / len(differences))


def read(path: Path) -> Results:
    """Read results: a folder that `invprior matrix run` wrote, or a JSON file of pytest-benchmark.

    Raises:
        MeasurementError: it is neither.
    """
    if path.is_dir():
        from invprior.matrix.results.record import load_all

        return {r.cell: r.metrics for r in load_all(path) if r.status == "ok"}
    try:
        benchmarks: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))[
            "benchmarks"
        ]
        infos = [b["extra_info"] for b in benchmarks]
        return {Cell(**i["cell"]): i["metrics"] for i in infos if "cell" in i}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MeasurementError(
            f'"{path}" is neither a folder of results nor a file of "pytest benchmarks --benchmark-json" ({error}).'
        ) from None
