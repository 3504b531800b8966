"""What a weight rule is: the problems to solve at each weight, and the criterion that the best weight minimises."""

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
    """What is solved at every weight.

    Attributes:
        views: problems with the prior still open. All are solved in step with each other, so that their results
            differ by what was changed in them and not by where the solver has stopped. Empty where the criterion
            needs no solver.
        criterion: a function of the problem at the weight under trial and of the views' results, each (1, C, H, W).
            The best weight minimises it.
        slack: differences of the criterion that mean nothing. Among weights within it of the best, the one nearest to
            the default is taken.
    """

    views: tuple[Problem, ...]
    criterion: Criterion
    slack: float = 0.0


class WeightRule(ABC, metaclass=Plugin):
    """A way to choose the weight of a prior without the truth; a frozen, keyword-only dataclass.

    Attributes:
        criterion_name: the name of its criterion, for the axis of a plot.
    """

    plugin_group: ClassVar[str] = "weights"
    criterion_name: ClassVar[str] = ""

    @abstractmethod
    def start(self, problem: Problem, generator: torch.Generator) -> Trial | None:
        """Prepare what is solved at each weight; None keeps the default weights.

        Args:
            problem: the problem; its open weights stand at their defaults.
            generator: the source of every random number.

        Raises:
            IncompatibleError: the rule does not fit the problem.
        """

    def choose(self, problem: Problem) -> tuple[WeightRule, str]:
        """Return the rule that acts, and why; `auto` returns another."""
        return self, "the rule was given"


def gaussian_variance(problem: Problem, rule: WeightRule) -> float:
    """The noise's variance.

    Raises:
        IncompatibleError: the operator is not linear, or the noise is not Gaussian.
    """
    fidelity = problem.fidelity
    name = plain_name(type(rule))
    if not isinstance(problem.operator, LinearOperator):
        raise IncompatibleError(
            f"The weight rule {name} needs a linear operator, and {plain_name(type(problem.operator))} is not one. "
            "Use default (--weight default), or give the weight."
        )
    if not isinstance(fidelity, QuadraticFidelity):
        raise IncompatibleError(
            f"The weight rule {name} needs the fidelity of Gaussian noise, and {plain_name(type(fidelity))} is "
            "another. Use holdout (--weight holdout), or give the weight."
        )
    return 1.0 / fidelity.precision


def residual(problem: Problem, x: Tensor) -> Tensor:
    """Ax - y, (1, *measurement_shape); 0 where nothing was measured."""
    r: Tensor = problem.operator(x) - problem.y
    return r if problem.observation_mask is None else r * problem.observation_mask
