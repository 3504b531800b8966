"""What a metric is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.registry.options import Plugin


class Metric(ABC, metaclass=Plugin):
    """A measure of quality against the truth; a frozen, keyword-only dataclass.

    Attributes:
        unit: what to print behind a figure ("dB"), empty when it has none.
        higher_is_better: the direction.
    """

    plugin_group: ClassVar[str] = "metrics"
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = True

    @abstractmethod
    def measure(self, x: Tensor, truth: Tensor) -> Tensor:
        """Score each image: (B, C, H, W) and (B, C, H, W), intensities in [0, 1], to (B,)."""


def check_shapes(x: Tensor, truth: Tensor) -> None:
    """Refuse images of different shapes, which broadcasting could compare without a word.

    Raises:
        IncompatibleError: the shapes differ.
    """
    if x.shape != truth.shape:
        raise IncompatibleError(
            f"An image {tuple(x.shape)} cannot be scored against a truth "
            f"{tuple(truth.shape)}; they must have the same shape."
        )
