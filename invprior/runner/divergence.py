"""The monitor of a run: a non-finite or exploded iterate never becomes a result."""

from __future__ import annotations

import math
from collections import deque

import torch
from torch import Tensor

from invprior.problem.functionals import Penalty
from invprior.problem.objective import Objective
from invprior.problem.solution import DivergedError, Iterate, Solution, Stop
from invprior.registry.options import plain_name
from invprior.solvers.base import State

_EXPLODED = 1e3  # times max(1, max |y|), where intensities lie in [0, 1]


class DivergenceMonitor:
    """Stops a run whose iterates become non-finite or explode.

    It keeps the last few of the iterates 1, 2, 4, 8, ... and computes their energies only after a divergence, to return
    the best one. A healthy run pays only for the check of x.

    Args:
        objective: the problem's terms as the solver uses them.
    """

    def __init__(self, objective: Objective) -> None:
        y = objective.problem.y
        self.objective = objective
        self.limit = _EXPLODED * max(1.0, float(y.abs().max()))
        self.every = 1 if y.device.type == "cpu" else 20  # a check makes a GPU wait
        # `memory.forecast` counts these images, so a longer queue needs more there too.
        self.kept: deque[Tensor] = deque(maxlen=8)
        self.step_size: float | None = None

    def __call__(self, now: Iterate, state: State) -> None:
        """Check an iterate at its turn; raises as `look` does."""
        self.step_size = state.step_size
        power = now.step & (now.step - 1) == 0
        # An iterate must be checked before it is kept as a candidate for the result.
        if power or now.step % self.every == 0:
            self.look(now)
        if power:
            # Not copied: a solver must not change an earlier x in place, and `check` tests that.
            self.kept.append(now.x)

    def look(self, now: Iterate) -> None:
        """Check an iterate.

        Raises:
            DivergedError: it is non-finite or has exploded; `solution` is the best earlier one.
        """
        low, high = torch.aminmax(now.x)
        size = max(-float(low), float(high))
        if not size <= self.limit:  # written so that NaN fails
            what = "x became non-finite" if not math.isfinite(size) else f"x exploded to {size:.3g}"
            raise DivergedError(self._message(now, what), self._solution(now))
        # Only a known energy, as computing one would cost each check an application of A.
        if now.known_energy is not None and bool(now.known_energy.isnan()):
            raise DivergedError(self._message(now, "the energy became NaN"), self._solution(now))

    def _message(self, now: Iterate, what: str) -> str:
        step = "" if self.step_size is None else f" with step size {self.step_size:.3g}"
        return (
            f"The run diverged: {what} at iteration {now.step}{step}; "
            f"the term that grew is {self._term(now.x)}. "
            "Use a smaller step size (lr, step_size), or leave it to the solver."
        )

    def _term(self, x: Tensor) -> str:
        problem = self.objective.problem
        values = {"fidelity": float(self.objective.data.value(x))}
        for term in problem.prior.terms:
            if isinstance(term.functional, Penalty):
                values[plain_name(type(term.functional))] = float(
                    term.factor * term.functional.value(x).sum()
                )
        # NaN counts as the largest, since max() would depend on the order of the terms.
        return max(values, key=lambda name: math.inf if math.isnan(values[name]) else values[name])

    def _solution(self, now: Iterate) -> Solution:
        # Never empty: `Iteration` puts the initial estimate there before the first step.
        kept = list(self.kept)
        energies = [float(self.objective.energy(x)) for x in kept]
        best = min(
            range(len(kept)), key=lambda i: math.inf if math.isnan(energies[i]) else energies[i]
        )
        message = f"diverged at iteration {now.step}; this is the best earlier iterate"
        return Solution(
            kept[best].detach(), Stop("diverged", False, message), now.step, now.seconds
        )
