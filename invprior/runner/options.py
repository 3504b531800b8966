"""The options of a run: all arguments of `solve` except the problem and its solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from torch import Tensor

from invprior.checkpoint.checkpoint import Checkpoint
from invprior.errors import OptionError
from invprior.io import files
from invprior.problem.problem import Problem
from invprior.problem.solution import FIRST, Place
from invprior.registry.spec import Spec
from invprior.runner.history import Callback
from invprior.solvers.base import Solver
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import limited
from invprior.weights.base import WeightRule


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of one run, as `invprior.solve` documents them.

    Attributes:
        place: which of several runs this is, for the callbacks.
        part: whether the run is one of several. Its checkpoint then keeps the result until all runs are done.
    """

    stop: StoppingRule | None = None
    steps: int | None = None
    x0: Tensor | None = None
    seed: int = 0
    callbacks: Sequence[Callback] = ()
    record_every: int = 10
    runs: int = 1
    checkpoint: Checkpoint | None = None
    memory_limit: str | int | None = None
    weight: str | Spec | WeightRule = "auto"
    place: Place = FIRST
    part: bool = False

    def rule(self, solver: Solver, problem: Problem) -> StoppingRule:
        """Return the rule that ends the run: the given one or the solver's own, with `steps` as its limit."""
        rule = self.stop or solver.default_stop(problem)
        return rule if self.steps is None else limited(rule, self.steps)


def check_steps(steps: int | None) -> None:
    """Refuse a limit that is not a positive integer.

    Raises:
        OptionError: it is none.
    """
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise OptionError(f'The option "steps" must be an integer >= 1; got {steps!r}.')


def checkpoint_of(
    given: str | PathLike[str] | Checkpoint | None, every: float
) -> Checkpoint | None:
    """Return the checkpoint in a folder, which can be made, or the given one.

    Raises:
        MeasurementError: the folder cannot be made.
    """
    if given is None or isinstance(given, Checkpoint):
        return given
    # Before the run, so that a folder that cannot be made costs no step.
    files.makeable(Path(given), "Name another place for the checkpoint.")
    return Checkpoint(Path(given), every)
