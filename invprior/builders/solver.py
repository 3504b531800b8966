"""Which solver runs, and a refusal that names those that would fit."""

from __future__ import annotations

from invprior import registry
from invprior.builders.problem import solver_from
from invprior.errors import IncompatibleError
from invprior.problem.problem import Objective, Problem
from invprior.registry.spec import Spec
from invprior.solvers.base import Solver


def select_solver(problem: Problem, solver: str | Spec | Solver) -> tuple[Solver, str]:
    """Make the solver and let `auto` choose; the text says why."""
    return solver_from(solver).choose(problem)


def check_compatible(problem: Problem, solver: Solver) -> Objective:
    """Route the problem; a refusal names the solvers that do fit."""
    try:
        return solver.route(problem)
    except IncompatibleError as error:
        fitting = {
            e.name: made for e in registry.entries("solvers") if (made := _fitting(e, problem))
        }
        if not fitting or type(solver) in map(type, fitting.values()):
            raise  # what the solver was given is at fault, not the solver
        *first, last = fitting
        raise IncompatibleError(
            f"{error} Use {', '.join(first)}{' or ' * bool(first)}{last}."
        ) from None


def _fitting(entry: registry.Entry, problem: Problem) -> Solver | None:
    """Make one of invprior's own solvers when it fits the problem."""
    if entry.package != registry.CORE or entry.name == "auto":
        return None
    made: Solver = registry.create("solvers", entry.name)
    try:
        made.route(problem)
    except IncompatibleError:
        return None
    return made
