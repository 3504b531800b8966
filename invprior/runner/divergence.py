"""The watch over a run: non-finite and exploding iterates never pass as results."""

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

_EXPLODED = 1e3  # times the larger of 1 and the measurement's largest value


class DivergenceMonitor:
    """Stops a run whose iterates become non-finite or explode.

    It keeps the iterates 1, 2, 4, 8, ... (the last few of them), and asks for their energies only once a run has
    diverged, to hand back the best: a healthy run pays for one look at x a step.
    """

    def __init__(self, objective: Objective) -> None:
        y = objective.problem.y
        self.objective = objective
        self.limit = _EXPLODED * max(1.0, float(y.abs().max()))
        self.every = 1 if y.device.type == "cpu" else 20  # looking makes a GPU wait
        self.kept: deque[Tensor] = deque(maxlen=8)
        self.step_size: float | None = None

    def __call__(self, now: Iterate, state: State) -> None:
        """Check an iterate when its turn has come; errors as for `look`."""
        self.step_size = state.step_size
        power = now.step & (now.step - 1) == 0
        if power or now.step % self.every == 0:
            self.look(now)
        if power:
            self.kept.append(now.x)

    def look(self, now: Iterate) -> None:
        """Check an iterate.

        Raises:
            DivergedError: it is non-finite or has exploded; `solution` is the best one before.
        """
        low, high = torch.aminmax(now.x)
        size = max(-float(low), float(high))
        if not size <= self.limit:  # NaN compares false
            what = "x became non-finite" if not math.isfinite(size) else f"x exploded to {size:.3g}"
            raise DivergedError(self._message(now, what), self._solution(now))
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
                    term.weight * term.functional.value(x).sum()
                )
        return max(values, key=lambda name: math.inf if math.isnan(values[name]) else values[name])

    def _solution(self, now: Iterate) -> Solution:
        kept = list(self.kept)
        energies = [float(self.objective.energy(x)) for x in kept]
        best = min(
            range(len(kept)), key=lambda i: math.inf if math.isnan(energies[i]) else energies[i]
        )
        message = f"diverged at iteration {now.step}; this is the best iterate before"
        return Solution(
            kept[best].detach(), Stop("diverged", False, message), now.step, now.seconds
        )
