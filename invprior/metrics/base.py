"""The base class of metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.registry.plugin import Plugin


class Metric(ABC, metaclass=Plugin):
    """A measure of quality against the ground truth; a frozen, keyword-only dataclass.

    Attributes:
        unit: printed after a value, such as "dB"; empty for a value without a unit.
        higher_is_better: whether a better image has a higher value.
    """

    plugin_group: ClassVar[str] = "metrics"
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = True

    @abstractmethod
    def measure(self, x: Tensor, truth: Tensor) -> Tensor:
        """Score each image of a batch.

        Args:
            x: images, (B, C, H, W), intensities in [0, 1].
            truth: the ground truth, of the same shape.

        Returns:
            The values, (B,).
        """


def check_shapes(x: Tensor, truth: Tensor) -> None:
    """Refuse images of different shapes; broadcasting could compare them silently.

    Raises:
        IncompatibleError: the shapes differ.
    """
    if x.shape != truth.shape:
        raise IncompatibleError(
            f"An image and its ground truth must have the same shape; got {tuple(x.shape)} "
            f"and {tuple(truth.shape)}."
        )
