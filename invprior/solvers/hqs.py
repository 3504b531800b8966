"""HQS: half-quadratic splitting with an annealed denoising strength, the solver of plug-and-play priors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.fidelities.base import QuadraticFidelity
from invprior.problem.objective import Objective
from invprior.problem.problem import Problem
from invprior.solvers.base import Solver, State
from invprior.solvers.splitting import NetworkStep, quadratic_step, split
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import MaxSteps


@dataclass
class HQSState(State):
    """How far the annealing has come."""

    count: int = 0
    network: NetworkStep | None = None


@dataclass(frozen=True, kw_only=True)
class HQS(Solver):
    """Half-quadratic splitting: alternate the data step and the prox, whose strength falls from coarse to the noise.

    The prox of a single term acts with tau = s_k^2, s_k falling geometrically from `start` to `end`; for a denoiser s_k
    is its noise level. Several terms share s_k^2 by their weights and act one after the other.

    Sources: Geman and Yang 1995; the schedule of Zhang et al. 2021 (DPIR).

    Args:
        steps: iterations of the schedule.
        start: first strength, in intensities of [0, 1]; at least `end`.
        end: last strength; the noise level when absent.
        inner: Adam steps on a network per iteration.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {
        "minimum": "its coupling ends at the noise level, so it ends where the data step and the prox balance, near it"
    }
    steps: Annotated[int, Ge(1)] = 8
    start: Annotated[float, Gt(0)] = 49 / 255
    end: Annotated[float, Gt(0)] | None = None
    inner: Annotated[int, Ge(1)] = 40

    def route(self, problem: Problem) -> Objective:
        """Everything through a prox; the data in closed form."""
        objective = split(problem, "hqs")
        if problem.reparameterization is None and not isinstance(
            problem.fidelity, QuadraticFidelity
        ):
            raise IncompatibleError(
                "hqs fits Gaussian data in closed form, and the fidelity is another."
            )
        return objective

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> HQSState:
        """Begin at x0."""
        network = None
        if objective.problem.reparameterization is not None:
            network = NetworkStep.of(objective, x0, generator, self.inner)
        return HQSState(x0, network=network)

    def step(self, objective: Objective, state: HQSState) -> HQSState:
        """The data step towards the last prox, then the prox at the next strength."""
        end = self.end or objective.problem.noise_level
        start = max(self.start, end)
        progress = min(state.count / max(self.steps - 1, 1), 1.0)
        strength = start * (end / start) ** progress
        weight = sum(w for w, _ in objective.proximal) or 1.0
        rho = weight / strength**2
        if state.network is not None:
            x = state.network(objective, [state.x] if objective.proximal else [], rho)
        else:
            x = quadratic_step(objective, [state.x], rho)
        for w, prior in objective.proximal:
            x = prior.prox(x, w / rho)
        return HQSState(x, step_size=1.0 / rho, count=state.count + 1, network=state.network)

    def default_stop(self, problem: Problem) -> StoppingRule:
        """Run the schedule to its end."""
        return MaxSteps(steps=self.steps)
