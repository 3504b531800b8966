"""Which solver runs. It is selected once a run and handed on."""

from __future__ import annotations

from dataclasses import dataclass

from invprior import registry
from invprior.builders.problem import solver_from
from invprior.errors import IncompatibleError
from invprior.problem.objective import Objective
from invprior.problem.problem import Problem
from invprior.registry.options import plain_name
from invprior.registry.spec import Spec
from invprior.solvers.auto import Auto
from invprior.solvers.base import Solver


@dataclass(frozen=True)
class Selection:
    """A solver that fits a problem, and the objective that it minimises.

    Attributes:
        problem: the problem.
        solver: the solver, with the options that depend on the problem filled in.
        why: why `auto` picked it; "" for a solver that was given.
        objective: the problem's terms as the solver uses them.
        open: the solver before its options were filled in.
    """

    problem: Problem
    solver: Solver
    why: str
    objective: Objective
    open: Solver

    def on(self, problem: Problem) -> Selection:
        """Keep the solver for a problem that has changed, as by a chosen weight.

        Raises:
            IncompatibleError: the solver does not fit it any more.
        """
        if problem is self.problem:
            return self
        return _checked(problem, self.open, self.why)


def select_solver(problem: Problem, solver: str | Spec | Solver | Selection) -> Selection:
    """Make the solver, let `auto` pick one, and check that it fits.

    Args:
        problem: the problem.
        solver: a solver, its spec, or what an earlier call has selected.

    Raises:
        IncompatibleError: the solver does not fit the problem; with the solvers that do.
    """
    if isinstance(solver, Selection):
        return solver.on(problem)
    made = solver_from(solver)
    if not isinstance(made, Auto):
        return _checked(problem, made, "")
    faults = []
    for candidate, why in made.candidates(problem):
        one = solver_from(candidate) if isinstance(candidate, Spec) else candidate()
        filled = one.completed(problem)
        try:
            return Selection(problem, filled, why, filled.route(problem), one)
        except IncompatibleError as error:
            faults.append(f"  {plain_name(type(one))}: {error}")
    raise IncompatibleError("No solver fits this problem:\n" + "\n".join(faults))


def check_compatible(problem: Problem, solver: Solver) -> Objective:
    """Route the problem; a refusal names the solvers that fit.

    Raises:
        IncompatibleError: the solver does not fit the problem.
    """
    try:
        return solver.route(problem)
    except IncompatibleError as error:
        fitting = _fitting(problem)
        if not fitting or type(solver) in map(type, fitting.values()):
            raise  # what the solver was given is at fault, not the solver
        *first, last = fitting
        raise IncompatibleError(
            f"{error} Use {', '.join(first)}{' or ' * bool(first)}{last}."
        ) from None


def _checked(problem: Problem, solver: Solver, why: str) -> Selection:
    filled = solver.completed(problem)
    return Selection(problem, filled, why, check_compatible(problem, filled), solver)


def _fitting(problem: Problem) -> dict[str, Solver]:
    """Make each of invprior's own solvers that fits the problem, by name."""
    found: dict[str, Solver] = {}
    for entry in registry.entries("solvers"):
        if entry.package != registry.CORE or entry.name == "auto":
            continue
        made: Solver = registry.create("solvers", entry.name)
        try:
            made.route(problem)
        except IncompatibleError:
            continue
        found[entry.name] = made
    return found
