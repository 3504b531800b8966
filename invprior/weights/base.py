"""The interface of a weight rule: the problems to solve at each weight, and the criterion to minimise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.fidelities.base import QuadraticFidelity
from invprior.operators.base import LinearOperator
from invprior.problem.problem import Problem
from invprior.registry.options import plain_name
from invprior.registry.plugin import Plugin

Criterion: TypeAlias = Callable[[Problem, Sequence[Tensor]], float]


@dataclass(frozen=True)
class Trial:
    """The problems that are solved at every weight, and the criterion that compares the weights.

    Attributes:
        views: problems whose prior has no weight yet. All take the same number of solver steps, so their results differ
            only by what differs in the problems. Empty if the criterion needs no solver.
        criterion: a function of the problem at the weight on trial and of the views' restorations, each (1, C, H, W).
            The best weight minimises it.
        slack: differences of the criterion that are not significant. Among the weights within it of the best, the one
            nearest to the default is taken.
    """

    views: tuple[Problem, ...]
    criterion: Criterion
    slack: float = 0.0


class WeightRule(ABC, metaclass=Plugin):
    """A rule that chooses the weight of a prior without the ground truth; a frozen, keyword-only dataclass.

    Attributes:
        criterion_name: the name of the criterion, for the axis of a plot.
    """

    plugin_group: ClassVar[str] = "weights"
    criterion_name: ClassVar[str] = ""

    @abstractmethod
    def start(self, problem: Problem, generator: torch.Generator) -> Trial | None:
        """Return the problems and the criterion of the search; None keeps the default weights.

        Args:
            problem: the problem; weights that were not given have their default values.
            generator: the source of every random number.

        Raises:
            IncompatibleError: the rule does not fit the problem.
        """

    def choose(self, problem: Problem) -> tuple[WeightRule, str]:
        """Return the rule that is applied, and the reason; `auto` returns another than itself."""
        return self, "the rule was given"


def gaussian_variance(problem: Problem, rule: WeightRule) -> float:
    """Return the variance of Gaussian noise; refuse any other problem on behalf of a rule.

    Args:
        problem: the problem.
        rule: the rule, for messages.

    Raises:
        IncompatibleError: the operator is not linear, or the noise is not Gaussian.
    """
    linear_operator(problem, rule)
    if not isinstance(problem.fidelity, QuadraticFidelity):
        raise IncompatibleError(
            f"The weight rule {plain_name(type(rule))} needs a Gaussian fidelity; got {problem.fidelity.title}. "
            "Use holdout (--weight holdout), or give the weight."
        )
    return 1.0 / problem.fidelity.precision


def noise_variance(problem: Problem, rule: WeightRule) -> tuple[Tensor, float]:
    """Return the variance of the noise of each measurement; refuse a problem without one on behalf of a rule.

    Args:
        problem: the problem.
        rule: the rule, for messages.

    Returns:
        The variance, a scalar or of y's shape, with 0 where nothing was measured; and its mean over the measurements.

    Raises:
        IncompatibleError: the operator is not linear, or the fidelity knows no variance.
    """
    linear_operator(problem, rule)
    variance = problem.fidelity.noise_variance(problem.y)
    if variance is None:
        raise IncompatibleError(
            f"The weight rule {plain_name(type(rule))} needs a fidelity that knows the variance of its noise, such as "
            f"gaussian or poisson; got {problem.fidelity.title}. Use holdout (--weight holdout), or give the weight."
        )
    if variance.dim() == 0:
        return variance, float(variance)
    if problem.observation_mask is not None:
        variance = variance * problem.observation_mask
    # A dark image has no photons and no variance; the unit of the criterion must not be 0.
    mean = float(variance.double().sum()) / problem.measurements
    return variance, mean or torch.finfo(torch.float32).tiny


def linear_operator(problem: Problem, rule: WeightRule) -> LinearOperator:
    """Return the operator if it is linear; else refuse the problem on behalf of a rule.

    Raises:
        IncompatibleError: the operator is not linear.
    """
    operator = problem.operator
    if not isinstance(operator, LinearOperator):
        raise IncompatibleError(
            f"The weight rule {plain_name(type(rule))} needs a linear operator, and {plain_name(type(operator))} "
            "is not one. Use default (--weight default), or give the weight."
        )
    return operator


def residual(problem: Problem, x: Tensor) -> Tensor:
    """Return Ax - y, (1, *measurement_shape), with 0 where nothing was measured."""
    r: Tensor = problem.operator(x) - problem.y
    return r if problem.observation_mask is None else r * problem.observation_mask
