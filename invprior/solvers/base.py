"""What a solver is: frozen hyper-parameters, `route`, `init` and `step`; all state lives in the `State`."""

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
        energy: E + R at x or at the last evaluation when the step computed it anyway, else None.
        step_size: for the message when the run diverges.
        notes: what the user should know of the run so far, a sentence each.
        latest: the last outputs of K networks fitted side by side, (K, C, H, W), not averaged; None where x is it.
        members: the K networks' averages, (K, C, H, W), whose mean is x; None where x is it.
    """

    x: Tensor
    energy: Tensor | None = None
    step_size: float | None = None
    notes: tuple[str, ...] = ()
    latest: Tensor | None = None
    members: Tensor | None = None

    def mutable_state(self) -> list[Tensor]:
        """What the solver changes in place, by which a run can be put back to where it was; none by default."""
        return []


class Solver(ABC, metaclass=Plugin):
    """A minimiser of an objective; a frozen, keyword-only dataclass of its hyper-parameters.

    Attributes:
        step_reason: where the state's `step_size` comes from when no option sets it; "" says nothing.
    """

    plugin_group: ClassVar[str] = "solvers"
    step_reason: ClassVar[str] = ""

    @abstractmethod
    def route(self, problem: Problem) -> Objective:
        """Sort the problem's terms as this solver uses them; see `invprior.problem.objective.route`.

        Raises:
            IncompatibleError: the solver does not fit the problem; nothing has been computed.
        """

    @abstractmethod
    def init(self, objective: Objective, x0: Tensor, generator: torch.Generator) -> State:
        """Begin at x0, (1, C, H, W). Every random number comes from `generator`."""

    @abstractmethod
    def step(self, objective: Objective, state: Any) -> State:
        """Do one iteration.

        Args:
            objective: the objective that `init` was given.
            state: what `init` or the last step returned; a solver annotates it with its own class.
        """

    def completed(self, problem: Problem) -> Solver:
        """Return the solver with the options that depend on the problem filled in; itself by default."""
        return self

    def default_stop(self, problem: Problem) -> StoppingRule:
        """The rule used when none is given."""
        network = problem.reparameterization
        if network is not None:
            return MaxSteps(steps=network.steps)
        return RelativeChange() | MaxSteps(steps=500)
