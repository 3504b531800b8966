"""The selection of a solver, made once per run and passed on."""

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
        problem: the problem, standardised.
        solver: the solver, with the options that depend on the problem filled in.
        why: why `auto` picked it; "" for a given solver.
        objective: the problem's terms as the solver uses them.
        open: the solver before its options were filled in, for use on a changed problem.
    """

    problem: Problem
    solver: Solver
    why: str
    objective: Objective
    open: Solver

    def on(self, problem: Problem) -> Selection:
        """Select the same solver for a changed problem, such as one with a chosen weight.

        Raises:
            IncompatibleError: the solver does not fit the changed problem.
        """
        problem = problem.standardised
        if problem is self.problem:
            return self
        # From the open solver: an option filled in for the old problem may be wrong for this one, as
        # Adam's back-projection is for Stein's risk.
        return _checked(problem, self.open, self.why)


def select_solver(problem: Problem, solver: str | Spec | Solver | Selection) -> Selection:
    """Make the solver, or pick one for `auto`, and check that it fits the problem.

    Args:
        problem: the problem.
        solver: a solver, its spec, or the result of an earlier call.

    Raises:
        IncompatibleError: the solver does not fit the problem; the message names solvers that do.
    """
    if isinstance(solver, Selection):
        return solver.on(problem)
    problem = problem.standardised
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
    """Route the problem to a solver; the error message names the solvers that fit.

    Raises:
        IncompatibleError: the solver does not fit the problem.
    """
    try:
        return solver.route(problem)
    except IncompatibleError as error:
        fitting = _fitting(problem)
        if not fitting or type(solver) in map(type, fitting.values()):
            raise  # the solver's options are at fault, so naming it again would not help
        *first, last = fitting
        raise IncompatibleError(
            f"{error} Use {', '.join(first)}{' or ' * bool(first)}{last}."
        ) from None


def _checked(problem: Problem, solver: Solver, why: str) -> Selection:
    filled = solver.completed(problem)
    return Selection(problem, filled, why, check_compatible(problem, filled), solver)


def _fitting(problem: Problem) -> dict[str, Solver]:
    """Return invprior's own solvers that fit the problem, by name; a broken plugin cannot interfere."""
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
