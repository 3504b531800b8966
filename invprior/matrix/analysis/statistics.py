"""Paired statistics: methods are compared on exactly the same images and seeds.

A seed determines the noise, the mask and the network's initial weights, so two methods that share a pair (image, seed)
had the same measurement. Everything here is computed over the pairs that all compared methods have. Methods that are
left out are named with the reason.

Intervals are Student's t, over images. Values are first averaged over the seeds of each image: seeds of one image are
no independent evidence about other images. Below three images there is no interval. For a handful of values t keeps
its nominal coverage, where the bootstrap is too narrow (Hesterberg 2015, doi:10.1080/00031305.2015.1089789).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95  # of the intervals
FEWEST = (
    3  # images of an interval: with two, Student's t is 13 standard errors wide and tells nothing
)


class Pair(NamedTuple):
    """The unit of pairing: what two methods must share to be compared."""

    image: str
    seed: int


Scores = Mapping[Pair, float]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean and its confidence interval, mean - half to mean + half.

    Attributes:
        half: NaN with fewer than three images.
        count: number of images.
    """

    mean: float
    half: float
    count: int


class Wins(Mapping[tuple[str, str], float]):
    """Share of the pairs in which the first of two methods beats the second; a tie counts 1/2.

    Computed when it is read, as of thousands of methods nobody reads all millions.

    Args:
        scores: of each method over the same pairs; higher is better.
    """

    def __init__(self, scores: Mapping[str, NDArray[np.float64]]) -> None:
        self.scores = scores

    def __getitem__(self, methods: tuple[str, str]) -> float:
        a, b = (self.scores[method] for method in methods)
        return float(np.mean((a > b) + 0.5 * (a == b)))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return permutations(self.scores, 2)

    def __len__(self) -> int:
        return len(self.scores) * (len(self.scores) - 1)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The comparison of several methods by one metric.

    Attributes:
        methods: the compared ones, the best mean first.
        pairs: that all of them have; every value here is over these alone.
        possible: number of pairs that every method should have.
        mean: of each method.
        behind: paired difference of each method to the best one; negative if it is worse by a metric in which higher
            is better. Absent for the best one.
        rank: mean over the pairs, 1 is the best; tied methods share their mean rank.
        wins: of each method over each other one.
        apart: methods that are not compared, with the reason.
    """

    methods: tuple[str, ...]
    pairs: tuple[Pair, ...]
    possible: int
    mean: Mapping[str, Interval]
    behind: Mapping[str, Interval]
    rank: Mapping[str, float]
    wins: Mapping[tuple[str, str], float]
    apart: Mapping[str, str]

    @property
    def best(self) -> str | None:
        """The method with the best mean."""
        return self.methods[0] if self.mean else None

    def tied_with_best(self, method: str) -> bool:
        """Whether the interval of the difference to the best method contains zero; False without an interval."""
        behind = self.behind.get(method)
        return behind is not None and abs(behind.mean) <= behind.half


def interval(scores: Scores, level: float = LEVEL) -> Interval:
    """Average over the seeds of each image, then over images, with Student's t interval.

    Args:
        scores: at least one finite value.
        level: of confidence, between 0 and 1.
    """
    images: dict[str, list[float]] = {}
    for pair, value in scores.items():
        images.setdefault(pair.image, []).append(value)
    values = [math.fsum(v) / len(v) for v in images.values()]
    mean, half = math.fsum(values) / len(values), math.nan
    if len(values) >= FEWEST:
        error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
        half = _student((1 + level) / 2, len(values) - 1) * error
    return Interval(mean=mean, half=half, count=len(values))


@lru_cache  # scipy takes a fraction of a millisecond, for each of thousands of methods
def _student(level: float, degrees_of_freedom: int) -> float:
    return float(stats.t.ppf(level, degrees_of_freedom))


def compare(
    scores: Mapping[str, Scores], possible: Sequence[Pair], *, higher_is_better: bool
) -> Comparison:
    """Compare methods on the pairs that they share.

    A method with less than half of the possible pairs is left out, since it would remove most pairs for all others.
    So are values that are not finite, such as the PSNR of a perfect restoration.

    Args:
        scores: by method, then pair; a pair without a value is absent.
        possible: the pairs that every method should have.
        higher_is_better: direction of the metric.
    """
    # Infinite scores would make every mean infinite.
    finite = {m: {p: v for p, v in s.items() if math.isfinite(v)} for m, s in scores.items()}
    wanted = dict.fromkeys(possible)
    held = {m: sum(p in s for p in wanted) for m, s in finite.items()}
    apart = {m: _why_apart(n, len(wanted)) for m, n in held.items() if 2 * n < len(wanted) or not n}
    methods = [m for m in finite if m not in apart]  # in the order of the plan, for ties below
    # Without methods, `all` would hold for every pair.
    pairs = tuple(p for p in wanted if all(p in finite[m] for m in methods)) if methods else ()
    if not pairs:
        return Comparison(
            methods=tuple(methods), pairs=(), possible=len(wanted), mean={}, behind={}, rank={},
            wins=Wins({}), apart=apart,
        )  # fmt: skip
    mean = {m: interval({p: finite[m][p] for p in pairs}) for m in methods}
    sign = 1.0 if higher_is_better else -1.0
    methods.sort(key=lambda m: -sign * mean[m].mean)
    best = finite[methods[0]]
    # (methods, pairs); from here on higher is better.
    table = sign * np.array([[finite[m][p] for p in pairs] for m in methods])
    ranks = stats.rankdata(-table, axis=0).mean(1)
    return Comparison(
        methods=tuple(methods),
        pairs=pairs,
        possible=len(wanted),
        mean=mean,
        behind={m: interval({p: finite[m][p] - best[p] for p in pairs}) for m in methods[1:]},
        rank={m: float(r) for m, r in zip(methods, ranks, strict=True)},
        wins=Wins(dict(zip(methods, table, strict=True))),
        apart=apart,
    )


def _why_apart(held: int, possible: int) -> str:
    if not held:
        return "no result"
    return f"results for only {held} of {possible} pairs of image and seed"
