"""PDHG: the primal-dual hybrid gradient method, for any mixture of terms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt
from torch import Tensor

from invprior.fidelities.base import ProximableFidelity
from invprior.operators.base import LinearOperator
from invprior.problem.objective import Objective, route
from invprior.problem.problem import Problem
from invprior.solvers.base import Solver, State


@dataclass
class PDHGState(State):
    """The dual variables, one for the data and one for each term after the first; the point ahead; the dual step."""

    data: Tensor = None  # type: ignore[assignment]
    duals: list[Tensor] = field(default_factory=list)
    ahead: Tensor = None  # type: ignore[assignment]
    dual_step: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PDHG(Solver):
    """Condat-Vu primal-dual splitting: needs only A, A^H and proxes; no linear system. Not for networks.

    Sources: Chambolle and Pock 2011; Condat 2013.

    Args:
        ratio: dual step over primal step, relative to the default that suits intensities of [0, 1].
    """

    step_reason: ClassVar[str] = "as large as the norms of the operator and the terms allow"
    ratio: Annotated[float, Gt(0)] = 1.0

    def route(self, problem: Problem) -> Objective:
        """Proxes where there are, gradients of bounded curvature elsewhere."""
        return route(
            problem,
            "pdhg",
            network=False,
            prox="many",
            terms="smooth",
            fidelity="prox",
            linear=True,
        )

    def steps(self, objective: Objective) -> tuple[float, float]:
        """Primal and dual step: 1 / primal - dual (||A||^2 + terms) >= L / 2, L the smooth terms' curvature."""
        operator = objective.problem.operator
        assert isinstance(operator, LinearOperator)
        size = operator.norm() ** 2 + max(len(objective.proximal) - 1, 0)
        smooth = sum(w * p.lipschitz() for w, p in objective.smooth)
        dual = self.ratio * 3.0 / objective.problem.noise_level / size**0.5
        return 0.99 / (dual * size + smooth / 2.0), dual

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> PDHGState:
        """Begin at x0 with zero duals."""
        primal, dual = self.steps(objective)
        duals = [torch.zeros_like(x0) for _ in objective.proximal[1:]]
        return PDHGState(
            x0,
            step_size=primal,
            data=torch.zeros_like(objective.problem.y),
            duals=duals,
            ahead=x0,
            dual_step=dual,
        )

    def step(self, objective: Objective, state: PDHGState) -> PDHGState:
        """Dual ascent at the point ahead, then primal descent."""
        problem = objective.problem
        operator, fidelity = problem.operator, problem.fidelity
        assert isinstance(operator, LinearOperator)
        assert isinstance(fidelity, ProximableFidelity)
        assert state.step_size is not None
        primal, dual = state.step_size, state.dual_step
        # Moreau: the prox of the conjugate from the prox of the function itself.
        v = state.data + dual * operator(state.ahead)
        data = v - dual * fidelity.prox(v / dual, problem.y, 1.0 / dual)
        gradient = operator.adjoint(data)
        duals = []
        for (weight, prior), old in zip(objective.proximal[1:], state.duals, strict=True):
            v = old + dual * state.ahead
            duals.append(v - dual * prior.prox(v / dual, weight / dual))
            gradient = gradient + duals[-1]
        for weight, penalty in objective.smooth:
            gradient = gradient + weight * penalty.gradient(state.x)
        x = state.x - primal * gradient
        for weight, prior in objective.proximal[:1]:
            x = prior.prox(x, primal * weight)
        ahead = 2.0 * x - state.x
        return PDHGState(x, step_size=primal, data=data, duals=duals, ahead=ahead, dual_step=dual)
