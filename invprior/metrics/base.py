"""The base class of metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, TypeAlias, cast

import torch
from torch import Tensor

from invprior.errors import IncompatibleError, OptionError
from invprior.numerics.complex_parts import magnitude
from invprior.registry.plugin import Plugin

Range: TypeAlias = tuple[float, float]


class Metric(ABC, metaclass=Plugin):
    """A measure of quality against the ground truth; a frozen, keyword-only dataclass.

    It sees the magnitudes of complex images, unless its class says that it `takes_complex` ones.

    Attributes:
        unit: printed after a value, such as "dB"; empty for a value without a unit.
        higher_is_better: whether a better image has a higher value.
    """

    plugin_group: ClassVar[str] = "metrics"
    magnitude_methods: ClassVar[tuple[str, ...]] = ("measure",)
    takes_complex: ClassVar[bool] = False
    unit: ClassVar[str] = ""
    higher_is_better: ClassVar[bool] = True

    @abstractmethod
    def measure(self, x: Tensor, truth: Tensor) -> Tensor:
        """Score each image of a batch.

        Args:
            x: images, (B, C, H, W), on the scale of the ground truth.
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


def check_range(data_range: Range | None, name: str) -> None:
    """Refuse a range without width.

    Raises:
        OptionError: the lower intensity of the metric `name` is not the first one.
    """
    if data_range is not None and not data_range[0] < data_range[1]:
        raise OptionError(
            f"The data_range of {name} must be the lower and the higher intensity, in this order; "
            f"got [{data_range[0]:g}, {data_range[1]:g}]. Give for example [0, 255]."
        )


# A truth within [0, 1] that spans less of it is no photograph, but data in other units such as 0.001.
_USED = 0.25


def range_of(truth: Tensor, data_range: Range | None) -> tuple[Tensor, Tensor]:
    """Return the lowest and the highest intensity of each ground truth.

    Args:
        truth: the ground truth, (B, C, H, W).
        data_range: both intensities; when absent, [0, 1] for a truth that lies within it and spans a quarter of it or
            more, and otherwise the truth's own minimum and maximum. A constant truth has the range [0, 1], or the one
            between 0 and itself.

    Returns:
        Two tensors, (B, 1, 1, 1).
    """
    low, high = truth.amin((1, 2, 3), keepdim=True), truth.amax((1, 2, 3), keepdim=True)
    if data_range is not None:
        return torch.full_like(low, data_range[0]), torch.full_like(high, data_range[1])
    constant = low == high
    unit = (low >= 0) & (high <= 1) & (constant | (high - low >= _USED))
    return (
        torch.where(constant, low.clamp_max(0), low).masked_fill(unit, 0),
        torch.where(constant, high.clamp_min(0), high).masked_fill(unit, 1),
    )


def score_range(truth: Tensor, given: Range | None = None) -> Range:
    """Return the range for scores against one ground truth.

    Args:
        truth: the ground truth, (1, C, H, W).
        given: the range of the data, if it is known; used where the truth lies in it.
    """
    truth = magnitude(truth)
    if given is not None and given[0] <= float(truth.min()) and float(truth.max()) <= given[1]:
        return given
    low, high = range_of(truth, None)
    return float(low), float(high)


def range_text(found: Range | None) -> str:
    """Print a range for people, such as "range 0 to 4095"; nothing for [0, 1], the usual one."""
    return (
        "" if found is None or tuple(found) == (0, 1) else f"range {found[0]:.4g} to {found[1]:.4g}"
    )


def with_range(metric: Metric, data_range: Range) -> Metric:
    """Return a metric with its open option `data_range` filled in, so that parts of an image have its range."""
    if (
        getattr(metric, "data_range", data_range) is not None
    ):  # given, or the metric has no such option
        return metric
    filled: Any = replace(cast(Any, metric), data_range=data_range)
    return cast(Metric, filled)
