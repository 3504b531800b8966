"""ADMM: the alternating direction method of multipliers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from invprior.fidelities.base import ProximableFidelity, QuadraticFidelity
from invprior.operators.base import LinearOperator
from invprior.problem.estimates import gain
from invprior.problem.objective import Objective
from invprior.problem.problem import Problem
from invprior.solvers.base import Solver, State
from invprior.solvers.splitting import (
    NetworkStep,
    damped_step,
    quadratic_step,
    split,
)


@dataclass
class ADMMState(State):
    """The splitting's variables.

    Attributes:
        rho: the coupling.
        copies: the copy z_k of x for each prior term, (1, C, H, W) each.
        multipliers: the scaled multiplier of each copy.
        data: the copy of Ax, for a fidelity that is not quadratic; else None.
        data_multiplier: its scaled multiplier.
        network: the x-step of a network; None for pixels.
        count: steps done.
        fitted: the last result of the x-step, from which the next one starts, (1, C, H, W).
        gain: the factor from units of x to those of y; the coupling of the copy of Ax is rho / gain^2.
        least_rho: below it, the x-step is badly conditioned.
        unsolved: x-steps in a row that conjugate gradients did not solve.
    """

    rho: float = 1.0
    copies: list[Tensor] = field(default_factory=list)
    multipliers: list[Tensor] = field(default_factory=list)
    data: Tensor | None = None
    data_multiplier: Tensor | None = None
    network: NetworkStep | None = None
    count: int = 0
    fitted: Tensor = None  # type: ignore[assignment]
    gain: float = 1.0
    least_rho: float = 0.0
    unsolved: int = 0


# An x-step by conjugate gradients starts from the last one, so it need not be exact: it ends when this much is left of
# the distance that its targets have moved, or after so many of them. Its error shrinks with the steps. Solved to 0.01
# in at most 200, tomography took more than twice as many applications of A to the same energy.
_REDUCTION, _CG_STEPS = 0.4, 20
# Largest condition number of its linear system, as one in single precision and some hundred conjugate gradients allow.
_CONDITION, _CONDITION_OF_CG = 1e6, 1e5
_PATIENCE = 20  # x-steps in a row that may stay unsolved without a note


@dataclass(frozen=True, kw_only=True)
class ADMM(Solver):
    """Consensus ADMM: every prior term through its prox, the data term through the operator's `solve_damped`.

    It takes any number of terms, any fidelity with a prox, and a network as the variable. The x-step of a network is
    a few steps of Adam.
    Sources: Boyd et al. 2011, with over-relaxation (section 3.4.3); balancing of relative residuals, Wohlberg 2017.

    Args:
        rho: coupling of the copies; a denoiser's strength is sqrt(weight / rho). When absent, it follows from the
            weights and the noise level.
        balance: adapt rho so that the primal and dual residuals stay of one size; only for convex terms.
        relaxation: over-relaxation, 1 for none.
        inner: Adam steps on a network per iteration.
    """

    step_reason: ClassVar[str] = (
        "1 / rho, first from the weights and the noise level, then balanced"
    )
    joins: ClassVar[bool] = True
    rho: Annotated[float, Gt(0)] | None = None
    balance: bool = True
    relaxation: Annotated[float, Gt(0), Le(1.9)] = 1.6
    inner: Annotated[int, Ge(1)] = 10

    def route(self, problem: Problem) -> Objective:
        """Sort every term to its prox."""
        return split(problem, "admm")

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> ADMMState:
        """Start with every copy at x0 and every multiplier at 0."""
        problem, factor = objective.problem, gain(objective.problem.operator)
        least = 0.0 if self.rho else _least_rho(objective)
        rho = self.rho or max(_first_rho(objective, factor), least)
        state = ADMMState(x0, step_size=1.0 / rho, rho=rho, fitted=x0, gain=factor, least_rho=least)
        state.copies = [x0 for _ in objective.proximal]
        state.multipliers = [torch.zeros_like(x0) for _ in objective.proximal]
        if problem.reparameterization is not None:
            state.network = NetworkStep.of(objective, x0, generator, self.inner)
        # A quadratic E joins the linear system of the x-step; any other needs a copy of Ax and its prox.
        elif not isinstance(problem.fidelity, QuadraticFidelity):
            state.data = problem.operator(x0)
            state.data_multiplier = torch.zeros_like(state.data)
        return state

    def kept(self, state: ADMMState) -> ADMMState:
        """Return the state: its multipliers are half of the solution."""
        return state

    def first(self, end: ADMMState) -> ADMMState:
        """Return the copies and multipliers of the first image."""
        own = replace(end, x=end.x[:1].clone(), fitted=end.fitted[:1].clone())
        own.copies = [copy[:1].clone() for copy in end.copies]
        own.multipliers = [u[:1].clone() for u in end.multipliers]
        if end.data is not None and end.data_multiplier is not None:
            own.data, own.data_multiplier = end.data[:1].clone(), end.data_multiplier[:1].clone()
        return own

    def continued(
        self, objective: Objective, end: ADMMState, growth: float, generator: torch.Generator
    ) -> ADMMState:
        """Return the state with the multipliers of the new weights, which grow with these."""
        new = self.init(objective, end.x, generator)
        if new.network is not None:
            return new
        # The multipliers are scaled by 1 / rho, so they stay where rho grows with the weights.
        new.rho = self.rho or max(end.rho * growth, new.least_rho)
        new.step_size = 1.0 / new.rho
        new.copies, new.fitted = list(end.copies), end.fitted
        scale = end.rho * growth / new.rho
        new.multipliers = [scale * u for u in end.multipliers]
        if end.data is not None and end.data_multiplier is not None:
            new.data, new.data_multiplier = end.data, scale * end.data_multiplier
        return new

    def step(self, objective: Objective, state: ADMMState) -> ADMMState:
        """Take the x-step, then the prox of each copy, then update the multipliers."""
        rho = state.rho
        targets = [z - u for z, u in zip(state.copies, state.multipliers, strict=True)]
        x, solved = self._fit(objective, state, targets)
        unsolved = 0 if solved else state.unsolved + 1
        new = replace(
            state,
            x=x,
            step_size=1.0 / rho,
            copies=[],
            multipliers=[],
            count=state.count + 1,
            fitted=x,
            unsolved=unsolved,
            notes=(_UNSOLVED,) if unsolved >= _PATIENCE else (),
        )
        for (weight, prior), z, u in zip(
            objective.proximal, state.copies, state.multipliers, strict=True
        ):
            relaxed = self.relaxation * x + (1.0 - self.relaxation) * z
            copy = prior.prox(relaxed + u, weight / rho)
            new.copies.append(copy)
            new.multipliers.append(u + relaxed - copy)
        apart = [torch.linalg.vector_norm(x - copy) for copy in new.copies]
        if state.data is not None:
            apart.append(self._fit_data(objective, state, new))
        # Convergence is proved for a fixed rho, so rho settles after 100 steps. A denoiser's strength is
        # sqrt(weight / rho), so balancing it would change the restoration, not only the speed.
        if self.balance and new.count % 5 == 0 and new.count <= 100 and _convex(objective):
            _rebalance(state, new, x, objective)
        # A copy has the prior's structure, such as sparsity; x only tends to it.
        if new.copies:
            new.x = new.copies[0]
        new.apart = torch.stack(apart).max() if apart else None
        return new

    def _fit(
        self, objective: Objective, state: ADMMState, targets: list[Tensor]
    ) -> tuple[Tensor, bool]:
        if state.network is not None:
            return state.network(objective, targets, state.rho), True
        targets = targets or [state.x]  # no term: a proximal point step from the last x
        if state.data is None:
            return quadratic_step(
                objective, targets, state.rho, state.fitted, _REDUCTION, _CG_STEPS
            )
        operator = objective.problem.operator
        assert isinstance(operator, LinearOperator)
        assert state.data_multiplier is not None
        data = state.data - state.data_multiplier
        coupling = state.gain**2
        return damped_step(operator, data, targets, coupling, state.fitted, _REDUCTION, _CG_STEPS)

    def _fit_data(self, objective: Objective, state: ADMMState, new: ADMMState) -> Tensor:
        """Update the copy of Ax and its multiplier in place; return the norm of Ax less the copy, in units of x."""
        problem = objective.problem
        assert isinstance(problem.fidelity, ProximableFidelity)
        assert state.data is not None
        assert state.data_multiplier is not None
        prediction = problem.operator(new.x)
        relaxed = self.relaxation * prediction + (1.0 - self.relaxation) * state.data
        new.data = problem.fidelity.prox(
            relaxed + state.data_multiplier, problem.y, state.gain**2 / state.rho
        )
        new.data_multiplier = state.data_multiplier + relaxed - new.data
        distance: Tensor = torch.linalg.vector_norm(prediction - new.data) / state.gain
        return distance


_UNSOLVED = (
    f"{_CG_STEPS} conjugate gradients are too few for the linear systems of admm, so the result may be inexact; "
    "use pdhg (--solver pdhg), which solves none"
)


def _first_rho(objective: Objective, factor: float) -> float:
    """Return a coupling at which a prior's prox moves pixels by about the noise."""
    weights = [weight for weight, _ in objective.proximal]
    sigma = objective.problem.noise_level / factor
    # A convex prox moves a pixel by about weight / rho, a denoiser by its strength sqrt(weight / rho): both sigma here.
    return max(weights, default=1.0 / sigma) / (sigma if _convex(objective) else sigma**2)


def linear_condition(problem: Problem) -> float:
    """Return about the condition number of the x-step's linear system, at the first coupling of convex terms.

    It is 1 where the fidelity is not Gaussian, as the coupling then follows the operator.
    """
    operator, fidelity = problem.operator, problem.fidelity
    if not isinstance(operator, LinearOperator) or not isinstance(fidelity, QuadraticFidelity):
        return 1.0
    rho = max((t.factor for t in problem.prior.terms), default=0.0) / problem.image_noise_level
    return 1.0 + operator.norm() ** 2 * fidelity.precision / rho if rho > 0 else 1.0


def _least_rho(objective: Objective) -> float:
    """Return the smallest coupling that leaves the x-step well conditioned."""
    operator, fidelity = objective.problem.operator, objective.problem.fidelity
    if not isinstance(operator, LinearOperator) or not isinstance(fidelity, QuadraticFidelity):
        return 0.0
    # A denoiser's strength is sqrt(weight / rho), so its rho must stay. A mask's system is diagonal.
    if operator.is_identity or operator.is_mask or not _convex(objective):
        return 0.0
    copies = max(len(objective.proximal), 1)
    most = _CONDITION if operator.direct else _CONDITION_OF_CG
    return operator.norm() ** 2 * fidelity.precision / (most * copies)


def _convex(objective: Objective) -> bool:
    return all(prior.convex for _, prior in objective.proximal)


def _rebalance(old: ADMMState, new: ADMMState, x: Tensor, objective: Objective) -> None:
    """Scale rho by the square root of the relative primal residual over the relative dual one, in place.

    The plain residuals failed to balance; the relative ones do not depend on the scale of x (Wohlberg 2017).
    """
    splits: list[tuple[Tensor, ...]] = [
        (x, z, new_z, u)
        for z, new_z, u in zip(old.copies, new.copies, new.multipliers, strict=True)
    ]
    if old.data is not None:
        assert new.data is not None
        assert new.data_multiplier is not None
        # In units of x, as all residuals are added up.
        parts = (objective.problem.operator(x), old.data, new.data, new.data_multiplier)
        splits.append(tuple(part / old.gain for part in parts))
    if not splits:
        return

    def size(tensors: list[Tensor]) -> float:
        return math.sqrt(float(torch.stack([t.square().sum() for t in tensors]).sum())) + 1e-12

    primal = size([p - new_z for p, _, new_z, _ in splits]) / size([p for p, _, _, _ in splits])
    dual = size([new_z - z for _, z, new_z, _ in splits]) / size([u for _, _, _, u in splits])
    factor = max(min(max((primal / dual) ** 0.5, 0.2), 5.0), new.least_rho / new.rho)
    new.rho *= factor
    # The multipliers are scaled by 1 / rho, so they change with it.
    new.multipliers = [u / factor for u in new.multipliers]
    if new.data_multiplier is not None:
        new.data_multiplier = new.data_multiplier / factor
