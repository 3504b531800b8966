"""Stop when the residual has fallen to the noise level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt

from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.stopping.base import StoppingRule, Watcher


@dataclass(frozen=True, kw_only=True)
class Discrepancy(StoppingRule):
    """Stops when the residual is no larger than the noise: ||Ax - y|| <= factor * sqrt(N) * sigma.

    sigma is the fidelity's, or estimated from y; N is the number of measurements. A wrong sigma stops too early or too
    late.

    Source: Morozov 1966.

    Args:
        factor: safety factor; 1 trusts sigma.
        every: steps between two checks, each of which applies the operator once.
    """

    factor: Annotated[float, Gt(0)] = 1.0
    every: Annotated[int, Ge(1)] = 5

    def start(self, problem: Problem) -> Watcher:
        """Return a watcher of the residual of the estimate that would be returned."""
        goal = self.factor * problem.noise_level * problem.measurements**0.5

        def watch(iterate: Iterate) -> Stop | None:
            if iterate.step % self.every:
                return None
            with torch.no_grad():
                residual = float(torch.linalg.vector_norm(problem.operator(iterate.x) - problem.y))
            if not residual <= goal:  # written so that NaN does not stop
                return None
            return Stop(
                "discrepancy",
                True,
                f"the residual fell to the noise level, sigma {problem.noise_level:.4f}",
            )

        return watch
