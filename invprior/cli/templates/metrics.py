"""A metric for invprior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from invprior import Metric
from invprior.metrics.base import check_shapes


@dataclass(frozen=True, kw_only=True)
class Mine(Metric):
    """Mean absolute error."""

    higher_is_better: ClassVar[bool] = False

    def measure(self, x: Tensor, truth: Tensor) -> Tensor:
        """Compare each image with its ground truth, both (B, C, H, W); return (B,)."""
        check_shapes(x, truth)  # broadcasting would hide a wrong shape
        return (x - truth).abs().flatten(1).mean(1)
