"""HQS: half-quadratic splitting with a falling denoising strength, the solver of plug-and-play priors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from invprior.errors import IncompatibleError
from invprior.fidelities.base import QuadraticFidelity
from invprior.problem.functionals import Proximable
from invprior.problem.objective import Objective
from invprior.problem.problem import Problem
from invprior.solvers.base import Solver, State
from invprior.solvers.splitting import NetworkStep, quadratic_step, split
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import MaxSteps

# Times the last strength. The first three of eight steps at a noise of 0.01 only prepare the others. By nl-ridge too,
# a run took half as long again and gained -0.28 to 0.11 dB: four 96 px images under a Gaussian blur and under a shake.
_EARLY = 6.0
_CG_STEPS = 200  # the schedule has few steps, so each must be solved well
_UNSOLVED = (
    f"{_CG_STEPS} conjugate gradients are too few for a linear system of hqs, so the result may be inexact; use fista "
    "(--solver fista), which solves none"
)


@dataclass
class HQSState(State):
    """The position in the schedule.

    Attributes:
        count: steps done.
        network: the x-step of a network; None for pixels.
        noise: the noise level in units of x.
    """

    count: int = 0
    network: NetworkStep | None = None
    noise: float = 0.0


@dataclass(frozen=True, kw_only=True)
class HQS(Solver):
    """Half-quadratic splitting: alternate the data step and a prox whose strength falls to the noise level.

    The prox of a single term has tau = s_k^2, where s_k falls geometrically from `start` to `end`. For a denoiser, s_k
    is its noise level. Several terms share s_k^2 in proportion to their weights and act one after the other. While s_k
    is above six times its end, a prior with a faster stand-in leaves the prox to it.

    Sources: Geman and Yang 1995; the schedule of Zhang et al. 2021 (DPIR).

    Args:
        steps: iterations of the schedule.
        start: first strength, as a fraction of the image's range; raised to `end` if it is smaller.
        end: last strength, in the same unit; when absent, the noise level.
        inner: Adam steps on a network per iteration.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {
        "minimum": "the coupling ends at the noise level, so the data step and the prox balance near the minimum only"
    }
    joins: ClassVar[bool] = True
    # The schedule of DPIR: 8 steps from 49 of 255.
    steps: Annotated[int, Ge(1)] = 8
    start: Annotated[float, Gt(0)] = 49 / 255
    end: Annotated[float, Gt(0)] | None = None
    inner: Annotated[int, Ge(1)] = 40

    def route(self, problem: Problem) -> Objective:
        """Sort every term to its prox, and the data term to the linear system.

        Raises:
            IncompatibleError: the terms do not fit, or the fidelity of a pixel problem is not quadratic.
        """
        objective = split(problem, "hqs")
        if problem.reparameterization is None and not isinstance(
            problem.fidelity, QuadraticFidelity
        ):
            raise IncompatibleError(
                "hqs solves its data step in closed form, which needs a Gaussian fidelity; "
                f"got {problem.fidelity.title}."
            )
        return objective

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> HQSState:
        """Start at x0, at the first strength."""
        network = None
        if objective.problem.reparameterization is not None:
            network = NetworkStep.of(objective, x0, generator, self.inner)
        return HQSState(x0, network=network, noise=objective.problem.image_noise_level)

    def step(self, objective: Objective, state: HQSState) -> HQSState:
        """Take the data step near the last prox, then the prox at the next strength."""
        end = self.end or state.noise
        start = max(self.start, end)
        # Past the schedule, as under another stopping rule, the strength stays at its end.
        progress = min(state.count / max(self.steps - 1, 1), 1.0)
        strength = start * (end / start) ** progress
        # For several terms, tau_k = w_k / rho: their strengths then add up to s_k^2.
        weight = sum(w for w, _ in objective.proximal) or 1.0
        rho = weight / strength**2
        solved = True
        if state.network is not None:
            x = state.network(objective, [state.x] if objective.proximal else [], rho)
        else:
            x, solved = quadratic_step(objective, [state.x], rho, state.x, 1e-5, _CG_STEPS)
        early = strength > _EARLY * end
        for w, prior in objective.proximal:
            acting = prior.stand_in if early else prior
            assert isinstance(acting, Proximable)
            x = acting.prox(x, w / rho)
        notes = () if solved else (_UNSOLVED,)
        return replace(state, x=x, step_size=1.0 / rho, count=state.count + 1, notes=notes)

    def default_stop(self, problem: Problem) -> StoppingRule:
        """Return the rule that runs the schedule to its end."""
        return MaxSteps(steps=self.steps)
