"""Adam, for pixels and for networks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn

from invprior.errors import IncompatibleError
from invprior.fidelities.base import QuadraticFidelity
from invprior.noise_estimation.base import is_rounding
from invprior.numerics.random import child_generator
from invprior.operators.base import LinearOperator
from invprior.problem.objective import Objective, route
from invprior.problem.problem import Problem
from invprior.solvers.base import Solver, State
from invprior.solvers.rollback import Rollback, mutable_state
from invprior.stopping.base import StoppingRule
from invprior.stopping.holdout import Holdout


@dataclass
class AdamState(State):
    """The variable, its optimiser, and the state of the options.

    Attributes:
        variable: the pixels or the network.
        optimizer: Adam on its parameters.
        decay: decay of the running average.
        count: steps done.
        damping: damping of the back-projection; None for the plain gradient.
        langevin: standard deviation of the Langevin noise, as a multiple of the step size.
        noise: the generator of the Langevin noise; None without any.
        rollback: the monitor that undoes a collapse; None if it is off.
    """

    # A dataclass field after inherited defaults needs a default; `init` always sets these two.
    variable: nn.Module = None  # type: ignore[assignment]
    optimizer: torch.optim.Adam = None  # type: ignore[assignment]
    decay: float = 0.0
    count: int = 0
    damping: float | None = None
    langevin: float = 0.0
    noise: torch.Generator | None = None
    rollback: Rollback | None = None

    def mutable_state(self) -> list[Tensor]:
        """Return the parameters and Adam's moments of them."""
        return mutable_state(self.optimizer)


@dataclass(frozen=True, kw_only=True)
class Adam(Solver):
    """Adam on the pixels or on a network's parameters; the solver of Deep Image Prior.

    A reparameterisation sets the step size and the averaging unless they are given here. The estimate x is the
    exponential average of the outputs, as in the Deep Image Prior paper.

    For a network, the gradient of the data term is by default the back-projected residual
    (A^H A + d I)^-1 A^H (Ax - y) with d = 30 sigma^2, or close to it. Detail that the operator has weakened is then
    fitted at the same pace as the rest, several times sooner than with A^H (Ax - y).

    A network whose fit collapses returns to its last good weights and continues with half the step size.

    Sources: Kingma and Ba 2015; Tirer and Giryes 2020, "Back-projection based fidelity term for ill-posed linear
    inverse problems"; Welling and Teh 2011, for langevin.

    Args:
        lr: step size; when absent, the prior's, or 0.01 for pixels.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        average: decay of the running average of x, 0 for none; when absent, the prior's, or 0 for pixels.
        back_projection: back-project the residual. When absent, it is on for a network whose prior allows it, if the
            operator back-projects cheaply.
        langevin: standard deviation, as a multiple of lr, of the noise added to the filters after each step; when
            absent, the prior's, or 0 for pixels.
        rollback: return to the last good weights when the fit gets worse by 5 dB; when absent, on for networks.
    """

    step_reason: ClassVar[str] = "the prior's preset, or 0.01 for pixels"
    lr: Annotated[float, Gt(0)] | None = None
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    average: Annotated[float, Ge(0), Lt(1)] | None = None
    back_projection: bool | None = None
    langevin: Annotated[float, Ge(0)] | None = None
    rollback: bool | None = None

    def route(self, problem: Problem) -> Objective:
        """Sort every term with a value into the part that is differentiated; refuse a prox."""
        objective = route(problem, "adam", network=True, prox="no", members=True)
        if self.back_projection and _back_projected_operator(problem) is None:
            raise IncompatibleError(
                "The back_projection of adam needs a linear operator and a Gaussian fidelity. Leave the option out."
            )
        return objective

    def completed(self, problem: Problem) -> Adam:
        """Return the solver with the prior's values filled in, so that the record shows them."""
        prior = problem.reparameterization
        defaults: dict[str, Any] = {"lr": 0.01, "average": 0.0, "langevin": 0.0}
        defaults |= {
            "back_projection": prior is not None and _back_projects_cheaply(problem),
            "rollback": prior is not None,
        }
        # A prior may name another solver as its default; its options then mean nothing here.
        if prior is not None and prior.solver_spec.name == "adam":
            defaults |= prior.solver_spec.options
        return replace(self, **{k: v for k, v in defaults.items() if getattr(self, k) is None})

    def default_stop(self, problem: Problem) -> StoppingRule:
        """Return hold-out for a network that overfits noise, if there are enough measurements; else a fixed number."""
        fixed = super().default_stop(problem)
        network = problem.reparameterization
        if network is None or not network.stops_early or problem.measurements < _MIN_HOLDOUT:
            return fixed
        if problem.fidelity.block > 1:  # no single measurement can be held out
            return fixed
        network = network.condition(problem.data)  # the options of the rule may depend on its input
        # Without noise the error falls to the end of the run, and held-out data cost up to 0.8 dB.
        rounded = is_rounding(problem.noise_level, problem.noise)
        if network.sees_estimate or (rounded and not network.sees_measurement):
            return fixed
        own = Holdout(fraction=network.held_out, refit=network.refit, limit=network.steps)
        return own | fixed

    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> AdamState:
        """Build the variable and its optimiser; start the running average at x0."""
        own = self.completed(objective.problem)  # a direct caller may have left options open
        assert own.lr is not None
        assert own.average is not None
        assert own.langevin is not None
        variable = objective.variable(x0, generator)
        optimizer = adam(variable, own.lr, (own.beta1, own.beta2))
        damping = _DAMPING * objective.problem.noise_level**2 if own.back_projection else None
        return AdamState(
            x0,
            step_size=own.lr,
            variable=variable,
            optimizer=optimizer,
            decay=own.average,
            damping=damping,
            langevin=own.langevin,
            noise=child_generator(generator, x0.device) if own.langevin > 0 else None,
            rollback=Rollback(optimizer, x0) if own.rollback else None,
        )

    def step(self, objective: Objective, state: AdamState) -> AdamState:
        """Evaluate the gradient, update the parameters, and average the outputs."""
        output, offset = objective.output(state.variable)
        state.optimizer.zero_grad()
        if state.damping is None:
            energy = objective.differentiable(output, offset)
            energy.backward()
            # With an offset the fit has another target; report the energy against the measurement itself.
            if offset is not None:
                energy = objective.energy(output)
        else:
            energy = _back_project(objective, output, offset, state.damping)
        state.energy = energy.detach() / len(output)
        state.count += 1
        # Before the update, so that the gradients of a collapse never reach Adam's moments.
        if state.rollback is not None:
            estimate = output.detach() if state.members is None else state.members
            note = state.rollback(state.count, state.energy, estimate)
            if note is not None:
                state.members = state.rollback.x
                state.x = state.members.mean(0, keepdim=True)
                state.notes = (*state.notes, note)
                return state
        state.optimizer.step()
        if state.noise is not None:
            _add_langevin_noise(state.optimizer, state.langevin, state.noise)
        # Early on, the average spans the last tenth of the run, so that it forgets the first random outputs.
        keep = min(state.decay, (state.count - 1) / (state.count + 9))
        state.latest = output.detach()
        last = state.members
        # Out of place: callbacks and stopping rules keep the tensors of earlier iterates.
        state.members = (
            state.latest if last is None or keep == 0.0 else state.latest.lerp(last, keep)
        )
        state.x = state.members.mean(0, keepdim=True)
        return state


# At the default fraction, each network then holds out a hundred measurements.
_MIN_HOLDOUT = 2000
# Times sigma^2. At this ratio the fine detail of natural images drowns in noise.
_DAMPING = 30.0


def _back_projected_operator(problem: Problem) -> LinearOperator | None:
    """Return the operator if the residual can be back-projected: A linear, the fidelity Gaussian; else None."""
    operator = problem.operator
    if isinstance(operator, LinearOperator) and isinstance(problem.fidelity, QuadraticFidelity):
        return operator
    return None


def _back_projects_cheaply(problem: Problem) -> bool:
    """Return whether the residual can be back-projected at about the cost of a gradient."""
    operator = _back_projected_operator(problem)
    return operator is not None and operator.back_projects


def _back_project(
    objective: Objective, output: Tensor, offset: Tensor | None, damping: float
) -> Tensor:
    """Propagate the back-projected residual and the smooth terms' gradients through the output; return the energy."""
    data, x = objective.data, output.detach()
    operator, fidelity = data.linear_operator, data.fidelity
    with torch.no_grad():
        y = data.target.expand(len(x), *data.target.shape[1:])
        prediction = operator(x)
        energy = fidelity.value(data.fitted(prediction), y).sum()
        fitted = data.fitted(prediction, offset)
        # For A = I the factor 1 + d cancels the damping: the gradient is the plain one.
        gradient = (1.0 + damping) * operator.back_project(fidelity.gradient(fitted, y), damping)
        # The other terms enter unchanged. Switching back-projection off for them cost more than they gained.
        for weight, penalty in objective.smooth:
            energy = energy + weight * penalty.value(x).sum()
            gradient = gradient + weight * penalty.gradient(x)
    output.backward(gradient)
    return energy


@torch.no_grad()
def _add_langevin_noise(
    optimizer: torch.optim.Adam, langevin: float, generator: torch.Generator
) -> None:
    """Add the noise of Langevin dynamics to every filter, in place."""
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight.ndim > 1:  # not to gains and biases, which are vectors
                draw = torch.empty_like(weight).normal_(generator=generator)
                weight.add_(draw, alpha=langevin * group["lr"])


def adam(
    variable: nn.Module, lr: float, betas: tuple[float, float] = (0.9, 0.999)
) -> torch.optim.Adam:
    """Return an Adam optimiser over a variable's parameters."""
    return torch.optim.Adam(variable.parameters(), lr=lr, betas=betas, fused=True)
