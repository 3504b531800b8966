"""ADMM: the alternating direction method of multipliers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from invprior.fidelities.base import ProximableFidelity, QuadraticFidelity
from invprior.operators.base import LinearOperator
from invprior.problem.objective import Objective
from invprior.problem.problem import Problem
from invprior.solvers.base import Solver, State
from invprior.solvers.splitting import NetworkStep, quadratic_step, split


@dataclass
class ADMMState(State):
    """Copies z_k = x of each prior term with their scaled multipliers; `data` is the copy of Ax, when E needs one."""

    rho: float = 1.0
    copies: list[Tensor] = field(default_factory=list)
    multipliers: list[Tensor] = field(default_factory=list)
    data: Tensor | None = None
    data_multiplier: Tensor | None = None
    network: NetworkStep | None = None
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class ADMM(Solver):
    """Consensus ADMM: every prior term through its prox, the data term by the operator's `solve_damped`.

    Takes any number of terms, any fidelity with a prox, and a network as the variable (x-step: Adam).
    Sources: Boyd et al. 2011, with over-relaxation (section 3.4.3); balancing of relative residuals, Wohlberg 2017.

    Args:
        rho: coupling of the copies, a denoiser's strength being sqrt(weight / rho); from the weights and the noise
            level when absent.
        balance: let rho adapt so that primal and dual residuals stay alike; only for convex terms.
        relaxation: over-relaxation, 1 for none.
        inner: Adam steps on a network per iteration.
    """

    step_reason: ClassVar[str] = (
        "1 / rho, from the weights and the noise at first, and then balanced"
    )
    rho: Annotated[float, Gt(0)] | None = None
    balance: bool = True
    relaxation: Annotated[float, Gt(0), Le(1.9)] = 1.6
    inner: Annotated[int, Ge(1)] = 10

    def route(self, problem: Problem) -> Objective:
        """Everything through a prox."""
        return split(problem, "admm")

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> ADMMState:
        """Begin with every copy at x0."""
        problem = objective.problem
        rho = self.rho or _first_rho(objective)
        state = ADMMState(x0, step_size=1.0 / rho, rho=rho)
        state.copies = [x0 for _ in objective.proximal]
        state.multipliers = [torch.zeros_like(x0) for _ in objective.proximal]
        if problem.reparameterization is not None:
            state.network = NetworkStep.of(objective, x0, generator, self.inner)
        elif not isinstance(problem.fidelity, QuadraticFidelity):
            state.data = problem.operator(x0)
            state.data_multiplier = torch.zeros_like(state.data)
        return state

    def step(self, objective: Objective, state: ADMMState) -> ADMMState:
        """The x-step, then each copy's prox, then the multipliers."""
        rho = state.rho
        targets = [z - u for z, u in zip(state.copies, state.multipliers, strict=True)]
        x = self._fit(objective, state, targets)
        new = ADMMState(
            x, step_size=1.0 / rho, rho=rho, network=state.network, count=state.count + 1
        )
        for (weight, prior), z, u in zip(
            objective.proximal, state.copies, state.multipliers, strict=True
        ):
            relaxed = self.relaxation * x + (1.0 - self.relaxation) * z
            copy = prior.prox(relaxed + u, weight / rho)
            new.copies.append(copy)
            new.multipliers.append(u + relaxed - copy)
        if state.data is not None:
            self._fit_data(objective, state, new)
        # It converges for a fixed rho, so rho settles after a while.
        if self.balance and new.count % 5 == 0 and new.count <= 100 and _convex(objective):
            _rebalance(state, new, x, objective)
        if new.copies:  # a copy has the prior's structure; x only tends to it
            new.x = new.copies[0]
        return new

    def _fit(self, objective: Objective, state: ADMMState, targets: list[Tensor]) -> Tensor:
        if state.network is not None:
            return state.network(objective, targets, state.rho)
        targets = targets or [state.x]  # without a term, near where it is
        if state.data is None:
            return quadratic_step(objective, targets, state.rho)
        operator = objective.problem.operator
        assert isinstance(operator, LinearOperator)
        assert state.data_multiplier is not None
        rhs = operator.adjoint(state.data - state.data_multiplier)
        for target in targets:
            rhs = rhs + target
        return operator.solve_damped(rhs, float(len(targets)))

    def _fit_data(self, objective: Objective, state: ADMMState, new: ADMMState) -> None:
        problem = objective.problem
        assert isinstance(problem.fidelity, ProximableFidelity)
        assert state.data is not None
        assert state.data_multiplier is not None
        prediction = problem.operator(new.x)
        relaxed = self.relaxation * prediction + (1.0 - self.relaxation) * state.data
        new.data = problem.fidelity.prox(
            relaxed + state.data_multiplier, problem.y, 1.0 / state.rho
        )
        new.data_multiplier = state.data_multiplier + relaxed - new.data


def _first_rho(objective: Objective) -> float:
    """A coupling at which a prior's prox moves pixels by about the noise."""
    weights = [weight for weight, _ in objective.proximal]
    sigma = objective.problem.noise_level
    return max(weights, default=1.0 / sigma) / (sigma if _convex(objective) else sigma**2)


def _convex(objective: Objective) -> bool:
    return all(prior.convex for _, prior in objective.proximal)


def _rebalance(old: ADMMState, new: ADMMState, x: Tensor, objective: Objective) -> None:
    """Scale rho by the root of the ratio of the relative primal to the relative dual residual."""
    splits = [
        (x, z, new_z, u)
        for z, new_z, u in zip(old.copies, new.copies, new.multipliers, strict=True)
    ]
    if old.data is not None:
        assert new.data is not None
        assert new.data_multiplier is not None
        splits.append((objective.problem.operator(x), old.data, new.data, new.data_multiplier))
    if not splits:
        return

    def size(tensors: list[Tensor]) -> float:
        return math.sqrt(float(torch.stack([t.square().sum() for t in tensors]).sum())) + 1e-12

    primal = size([p - new_z for p, _, new_z, _ in splits]) / size([p for p, _, _, _ in splits])
    dual = size([new_z - z for _, z, new_z, _ in splits]) / size([u for _, _, _, u in splits])
    factor = min(max((primal / dual) ** 0.5, 0.2), 5.0)
    new.rho *= factor
    new.multipliers = [u / factor for u in new.multipliers]
    if new.data_multiplier is not None:
        new.data_multiplier = new.data_multiplier / factor
