"""Metrics by a matrix's protocol: without borders, rounded to 8 bits, over missing pixels alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invprior import registry
from invprior.errors import IncompatibleError
from invprior.matrix.config.sections import Protocol
from invprior.matrix.execution.data import Case, rounded
from invprior.metrics.base import Metric, Range, score_range, with_range
from invprior.numerics.complex_parts import magnitude

MISSING = " (missing pixels)"


@dataclass(frozen=True)
class Scores:
    """The metrics of one case.

    Attributes:
        metrics: by the name that tables show, which is the spec as given.
        within: the range of the ground truth.
    """

    metrics: Mapping[str, Metric]
    case: Case
    protocol: Protocol
    within: Range

    @staticmethod
    def of(texts: tuple[str, ...], case: Case, protocol: Protocol) -> Scores:
        """Make the metrics; errors as for `registry.create`."""
        # One range for the whole truth: borders are cut off and missing pixels picked out below.
        whole = score_range(case.truth)
        made = {text: with_range(registry.create("metrics", text), whole) for text in texts}
        return Scores(made, case, protocol, whole)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> dict[str, float]:
        """Score x, (1, C, H, W), a complex one by its magnitude; a metric that needs a larger image is left out."""
        x, truth = magnitude(x), magnitude(self.case.truth)
        x = rounded(x, self.within) if self.protocol.rounded else x
        inner, target = (_inner(t, self.protocol.border) for t in (x, truth))
        found = {}
        for name, metric in self.metrics.items():
            try:
                found[name] = float(metric.measure(inner, target))
                # A metric with windows, such as SSIM, refuses the row of missing pixels and is left out.
                if self.protocol.missing and self.case.operator.observation_mask is not None:
                    found[name + MISSING] = self._over_missing(metric, x)
            except IncompatibleError:
                continue
        return found

    def _over_missing(self, metric: Metric, x: Tensor) -> float:
        """Compute a metric over the missing pixels, laid out as one row."""
        mask = self.case.operator.observation_mask
        assert mask is not None
        missing = ~mask.expand_as(x)
        row, target = (t[missing].view(1, x.shape[1], 1, -1) for t in (x, self.case.truth))
        return float(metric.measure(row, target))


def best_of(texts: tuple[str, ...], scores: Sequence[Mapping[str, float]]) -> int:
    """Return the index of the best scores, by the first metric.

    Raises:
        IncompatibleError: none of them has that metric.
    """
    metric: Metric = registry.create("metrics", texts[0])
    sign = 1 if metric.higher_is_better else -1
    known = [(s.get(texts[0], math.nan), i) for i, s in enumerate(scores)]
    ranked = [(sign * value, i) for value, i in known if not math.isnan(value)]
    if not ranked:
        raise IncompatibleError(
            f"The metric {texts[0]}, which tuning uses, could be computed for no restoration."
        )
    return max(ranked)[1]  # ties go to the larger factor


def _inner(x: Tensor, border: tuple[int, int]) -> Tensor:
    before, after = border
    height, width = x.shape[-2:]
    return x[..., before : height - after, before : width - after]
