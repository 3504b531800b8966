"""FISTA: accelerated proximal gradient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.problem.objective import Objective, route
from invprior.problem.problem import Problem
from invprior.solvers.base import Solver, State


@dataclass
class FISTAState(State):
    """The extrapolated point and the momentum.

    Attributes:
        point: p, where the next gradient is taken, (1, C, H, W).
        t: the momentum's t_k, a scalar on the device.
    """

    point: Tensor = None  # type: ignore[assignment]
    t: Tensor = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True)
class FISTA(Solver):
    """Proximal gradient with Nesterov momentum, for one prior with a prox. Not for Deep Image Prior.

    x_(k+1) = prox(p - step grad(p)) with the extrapolated point p. The momentum restarts when it points uphill.

    Sources: Beck and Teboulle 2009; O'Donoghue and Candes 2015, for the gradient restart.

    Args:
        step_size: step size; when absent, 1 / L with L from the operator's checked norm.
        restart: restart the momentum when it points away from the minimum.
        momentum: extrapolate; without it this is plain proximal gradient (ISTA).
        force: run even with a step size that is not known to converge.
    """

    step_reason: ClassVar[str] = (
        "1 / L, with L the Lipschitz constant of the gradient of the data term and the smooth terms"
    )
    joins: ClassVar[bool] = True
    step_size: Annotated[float, Gt(0)] | None = None
    restart: bool = True
    momentum: bool = True
    force: bool = False

    def route(self, problem: Problem) -> Objective:
        """Sort one term to its prox and the rest, of known Lipschitz constant, to the gradient.

        Raises:
            IncompatibleError: the terms do not fit, or the step size is too large to converge.
        """
        objective = route(
            problem,
            "fista",
            network=False,
            prox="one",
            terms="smooth",
            fidelity="smooth",
            linear=True,
        )
        if self.step_size is None or self.force:
            return objective
        # The rate with momentum is proved up to 1 / L; without it, step sizes up to 2 / L converge.
        limit = (1.0 if self.momentum else 2.0) / objective.lipschitz()
        if self.step_size > limit:
            raise IncompatibleError(
                f"The step_size of fista must be at most {limit:.4g} for this problem "
                f"({'1' if self.momentum else '2'} / L, L from the operator's norm and the fidelity); "
                f"got {self.step_size:g}. Leave it out, or add force=true."
            )
        return objective

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> FISTAState:
        """Start at x0, without momentum, at the given step size or the largest safe one."""
        step = self.step_size or 1.0 / objective.lipschitz()
        return FISTAState(x0, step_size=step, point=x0, t=x0.new_ones(()))

    def kept(self, state: FISTAState) -> FISTAState:
        """Return the state: at the same weights its momentum goes on."""
        return state

    def first(self, end: FISTAState) -> FISTAState:
        """Return x and the extrapolated point of the first image."""
        return replace(end, x=end.x[:1].clone(), point=end.point[:1].clone())

    def continued(
        self, objective: Objective, end: FISTAState, growth: float, generator: torch.Generator
    ) -> FISTAState:
        """Return the state with its momentum at the same weights, and without at others."""
        new = self.init(objective, end.x, generator)
        return replace(new, point=end.point, t=end.t) if growth == 1.0 else new

    def step(self, objective: Objective, state: FISTAState) -> FISTAState:
        """Take one gradient step, one prox and one extrapolation."""
        assert state.step_size is not None
        x = state.point - state.step_size * objective.gradient(state.point)
        for weight, prior in objective.proximal:
            x = prior.prox(x, state.step_size * weight)
        if not self.momentum:
            return FISTAState(x, step_size=state.step_size, point=x, t=state.t)
        # The test stays on the device: reading it would make the host wait for the GPU at every step.
        move = x - state.x
        # Without restarts the test must be false on the device too, and t is at least 1.
        uphill = ((state.point - x) * move).sum() > 0 if self.restart else state.t < 0
        t = torch.where(uphill, 1.0, state.t)
        following = (1.0 + (1.0 + 4.0 * t * t).sqrt()) / 2.0
        pull = torch.where(uphill, 0.0, (t - 1.0) / following)
        return FISTAState(x, step_size=state.step_size, point=x + pull * move, t=following)
