"""Metrics by a matrix's protocol: borders left out, rounding to 8 bits, missing pixels alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invprior import registry
from invprior.errors import IncompatibleError
from invprior.matrix.config.matrix import Protocol
from invprior.matrix.execution.data import Case, rounded
from invprior.metrics.base import Metric

MISSING = " (missing pixels)"


@dataclass(frozen=True)
class Scores:
    """The metrics of one case.

    Attributes:
        metrics: by the name that tables show, which is the spec as it was given.
    """

    metrics: Mapping[str, Metric]
    case: Case
    protocol: Protocol

    @staticmethod
    def of(texts: tuple[str, ...], case: Case, protocol: Protocol) -> Scores:
        """Make the metrics; errors as for `registry.create`."""
        made = {text: registry.create("metrics", text) for text in texts}
        return Scores(made, case, protocol)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> dict[str, float]:
        """Score x, (1, C, H, W); a metric that the image is too small for is left out."""
        x = rounded(x) if self.protocol.rounded else x
        truth = self.case.truth
        inner, target = (_inner(t, self.protocol.border) for t in (x, truth))
        found = {}
        for name, metric in self.metrics.items():
            try:
                found[name] = float(metric.measure(inner, target))
                if self.protocol.missing and self.case.operator.observation_mask is not None:
                    found[name + MISSING] = self._missing(metric, x)
            except IncompatibleError:
                continue
        return found

    def simple(self, images: Mapping[str, Tensor]) -> dict[str, float]:
        """Score the best of some images, by the first metric that can be taken."""
        scored = [self(x) for x in images.values()]
        for name, metric in self.metrics.items():
            if all(name in figures for figures in scored):
                sign = 1 if metric.higher_is_better else -1
                return max(scored, key=lambda figures: sign * figures[name])
        return scored[0] if scored else {}

    def _missing(self, metric: Metric, x: Tensor) -> float:
        """Take the metric over the missing pixels, laid out as one row."""
        observed = self.case.operator.observation_mask
        assert observed is not None
        gone = ~observed.expand_as(x)
        row, target = (t[gone].view(1, x.shape[1], 1, -1) for t in (x, self.case.truth))
        return float(metric.measure(row, target))


def best_of(texts: tuple[str, ...], figures: Sequence[Mapping[str, float]]) -> int:
    """Which of several figures is best by the first metric.

    Raises:
        IncompatibleError: none of them could be scored by it.
    """
    metric: Metric = registry.create("metrics", texts[0])
    sign = 1 if metric.higher_is_better else -1
    scored = [(sign * f[texts[0]], i) for i, f in enumerate(figures) if texts[0] in f]
    if not scored:
        raise IncompatibleError(
            f"Nothing could be scored by {texts[0]}, which weights are tuned for."
        )
    return max(scored)[1]


def _inner(x: Tensor, border: tuple[int, int]) -> Tensor:
    before, after = border
    height, width = x.shape[-2:]
    return x[..., before : height - after, before : width - after]
