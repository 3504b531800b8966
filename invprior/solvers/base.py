"""The interface of a solver: frozen hyper-parameters, `route`, `init` and `step`; all state is in the `State`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from invprior.problem.objective import Objective
from invprior.problem.problem import Problem
from invprior.registry.plugin import Plugin
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import MaxSteps
from invprior.stopping.relative_change import RelativeChange


@dataclass
class State:
    """What a solver carries from step to step; solvers derive their own.

    Attributes:
        x: the estimate that would be returned now, (1, C, H, W), never changed in place.
        energy: E + R at x or at the last evaluation, a scalar, if the step computed it anyway; else None.
        step_size: the step size, for the message of a run that diverges.
        apart: the norm by which copies of x differ that are equal at the minimum, a scalar on the device; None for no
            copies. A prox may hold x at rest while the copies still approach each other.
        notes: what the user should know about the run so far, one sentence each.
        latest: the last outputs of an ensemble of K networks before averaging, (K, C, H, W); None if x is that output.
        members: the K networks' running averages, (K, C, H, W), whose mean is x; None if x is the only one.
    """

    x: Tensor
    energy: Tensor | None = None
    step_size: float | None = None
    apart: Tensor | None = None
    notes: tuple[str, ...] = ()
    latest: Tensor | None = None
    members: Tensor | None = None

    def mutable_state(self) -> list[Tensor]:
        """Return the tensors that a step changes in place; none by default.

        Copying saved values into them takes the run back to an earlier step.
        """
        return []


class Solver(ABC, metaclass=Plugin):
    """A minimiser of an objective; a frozen, keyword-only dataclass of its hyper-parameters.

    Attributes:
        step_reason: how the state's `step_size` was chosen, for `--explain`; "" leaves it out.
        joins: whether its x may hold several images, (B, C, H, W), each with its own measurement. A solver that takes
            outputs of networks together would average them.
    """

    plugin_group: ClassVar[str] = "solvers"
    step_reason: ClassVar[str] = ""
    joins: ClassVar[bool] = False

    @abstractmethod
    def route(self, problem: Problem) -> Objective:
        """Sort the problem's terms as this solver uses them; see `invprior.problem.objective.route`.

        Raises:
            IncompatibleError: the solver does not fit the problem. Nothing has been computed by then.
        """

    @abstractmethod
    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> State:
        """Return the state before the first step.

        Args:
            objective: the objective that `route` returned.
            x0: the initial estimate, (1, C, H, W).
            generator: the source of every random number.
        """

    @abstractmethod
    def step(self, objective: Objective, state: Any) -> State:
        """Do one iteration.

        Args:
            objective: the objective that `init` was given, or the same with all measurements fitted.
            state: what `init` or the last step returned; a solver annotates it with its own class.

        Returns:
            The state after the step, a new object or `state` itself.
        """

    def kept(self, state: Any) -> State:
        """Return what `continued` needs of the last state; its x by default."""
        return State(state.x)

    def first(self, end: Any) -> State | None:
        """Return what `kept` returned of several images together for the first one alone; None if that is not known."""
        if len(end.x) == 1:
            return end  # type: ignore[no-any-return]
        return State(end.x[:1].clone()) if type(end) is State else None

    def continued(
        self, objective: Objective, end: Any, growth: float, generator: torch.Generator
    ) -> State:
        """Return a state before the first step, near the minimum of the same problem at other weights.

        Args:
            objective: the objective at the new weights.
            end: what `kept` returned of a state near the minimum at the old weights.
            growth: the new weights over the old ones.
            generator: the source of every random number.
        """
        return self.init(objective, end.x, generator)

    def completed(self, problem: Problem) -> Solver:
        """Return the solver with the options that depend on the problem filled in; unchanged by default."""
        return self

    def default_stop(self, problem: Problem) -> StoppingRule:
        """Return the stopping rule of a run that is given none."""
        network = problem.reparameterization
        # A network does not converge to an answer, so `relative-change` says nothing about its run.
        if network is not None:
            return MaxSteps(steps=network.steps)
        return RelativeChange() | MaxSteps(steps=500)
