"""The rule that keeps the default weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from invprior.problem.problem import Problem
from invprior.weights.base import WeightRule


@dataclass(frozen=True, kw_only=True)
class Default(WeightRule):
    """Keeps the default weights of the priors, without a search.

    They are a fair guess at any noise level, but cost up to 2 dB on some images.
    """

    criterion_name: ClassVar[str] = "none"

    def start(self, problem: Problem, generator: torch.Generator) -> None:
        """Return None: nothing is solved in advance."""

    def choose(self, problem: Problem) -> tuple[WeightRule, str]:
        """Return the rule itself."""
        return self, "the default weights were requested"
