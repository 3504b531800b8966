"""No rule: the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from invprior.problem.problem import Problem
from invprior.weights.base import WeightRule


@dataclass(frozen=True, kw_only=True)
class Default(WeightRule):
    """Keeps the weights that the priors come with: nothing is solved in advance.

    They are a fair guess at any noise level, and cost up to 2 dB on some images.
    """

    criterion_name: ClassVar[str] = "none"

    def start(self, problem: Problem, generator: torch.Generator) -> None:
        """Nothing is tried."""

    def choose(self, problem: Problem) -> tuple[WeightRule, str]:
        """Itself."""
        return self, "the default weights were asked for"
