"""PDHG: the primal-dual hybrid gradient method, for any mixture of proxes and gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
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
    """The dual variables, the extrapolated point and the dual step size.

    Attributes:
        data: the dual variable of the data term, of y's shape.
        duals: one dual variable for each proximal term after the first, (1, C, H, W) each.
        ahead: the extrapolated point 2 x_(k+1) - x_k, (1, C, H, W).
        dual_step: the dual step size.
        ratio: the dual step size of the terms after the first over that of the data.
    """

    data: Tensor = None  # type: ignore[assignment]
    duals: list[Tensor] = field(default_factory=list)
    ahead: Tensor = None  # type: ignore[assignment]
    dual_step: float = 0.0
    ratio: float = 1.0


@dataclass(frozen=True, kw_only=True)
class PDHG(Solver):
    """Condat-Vu primal-dual splitting: needs only A, A^H and proxes, and solves no linear system. Not for networks.

    Sources: Chambolle and Pock 2011; Condat 2013.

    Args:
        ratio: factor on the default dual step size, which suits the units of a run; the primal one follows.
    """

    step_reason: ClassVar[str] = "the largest that the norms of the operator and the terms allow"
    joins: ClassVar[bool] = True
    ratio: Annotated[float, Gt(0)] = 1.0

    def route(self, problem: Problem) -> Objective:
        """Sort every term to its prox, or else to the gradient if its Lipschitz constant is known."""
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
        """Return the primal and the dual step size.

        They satisfy 1 / primal - dual K ||A||^2 >= L / 2, with K proximal terms and L the Lipschitz constant of the
        smooth terms' gradient (Condat 2013). The terms after the first have ||A||^2 times the dual step, so that the
        units of y do not matter.
        """
        operator = objective.problem.operator
        assert isinstance(operator, LinearOperator)
        size = operator.norm() ** 2 * max(len(objective.proximal), 1)
        smooth = sum(w * p.lipschitz() for w, p in objective.smooth)
        # The dual step over the primal one is the length of the way that the dual variable has to go over that of x.
        # For M measurements the former is about sqrt(M) / sigma; that of x, of N values, about a ninth of sqrt(N).
        way = 9.0 * (math.prod(operator.measurement_shape) / math.prod(operator.image_shape)) ** 0.5
        dual = self.ratio * way / objective.problem.noise_level / size**0.5
        # 0.99 keeps the condition strict.
        return 0.99 / (dual * size + smooth / 2.0), dual

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> PDHGState:
        """Start at x0 with all dual variables at 0."""
        primal, dual = self.steps(objective)
        operator = objective.problem.operator
        assert isinstance(operator, LinearOperator)
        duals = [torch.zeros_like(x0) for _ in objective.proximal[1:]]
        return PDHGState(
            x0,
            step_size=primal,
            data=torch.zeros_like(objective.problem.y),
            duals=duals,
            ahead=x0,
            dual_step=dual,
            ratio=operator.norm() ** 2,
        )

    def kept(self, state: PDHGState) -> PDHGState:
        """Return the state: its dual variables are half of the solution."""
        return state

    def first(self, end: PDHGState) -> PDHGState:
        """Return the dual variables of the first image."""
        duals = [dual[:1].clone() for dual in end.duals]
        return replace(end, x=end.x[:1].clone(), data=end.data[:1].clone(), duals=duals)

    def continued(
        self, objective: Objective, end: PDHGState, growth: float, generator: torch.Generator
    ) -> PDHGState:
        """Return the state with all dual variables scaled as the weights: A^H data balances those of the terms."""
        new = self.init(objective, end.x, generator)
        return replace(new, data=growth * end.data, duals=[growth * dual for dual in end.duals])

    def step(self, objective: Objective, state: PDHGState) -> PDHGState:
        """Take the dual steps at the extrapolated point, then the primal step."""
        problem = objective.problem
        operator, fidelity = problem.operator, problem.fidelity
        assert isinstance(operator, LinearOperator)
        assert isinstance(fidelity, ProximableFidelity)
        assert state.step_size is not None
        primal, dual = state.step_size, state.dual_step
        # Moreau's identity gives the prox of the conjugate from the prox of the function itself.
        v = state.data + dual * operator(state.ahead)
        data = v - dual * fidelity.prox(v / dual, problem.y, 1.0 / dual)
        gradient = operator.adjoint(data)
        duals = []
        for (weight, prior), old in zip(objective.proximal[1:], state.duals, strict=True):
            own = dual * state.ratio
            v = old + own * state.ahead
            duals.append(v - own * prior.prox(v / own, weight / own))
            gradient = gradient + duals[-1]
        for weight, penalty in objective.smooth:
            gradient = gradient + weight * penalty.gradient(state.x)
        x = state.x - primal * gradient
        # The first term needs no dual variable: its prox acts on x itself.
        for weight, prior in objective.proximal[:1]:
            x = prior.prox(x, primal * weight)
        ahead = 2.0 * x - state.x
        # The prediction and its copy at the minimum, whose difference moves the dual variable; in units of x.
        apart = torch.linalg.vector_norm(data - state.data) / (dual * state.ratio**0.5)
        return replace(state, x=x, data=data, duals=duals, ahead=ahead, apart=apart)
