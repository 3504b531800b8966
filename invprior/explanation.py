"""What was chosen for the user, and why: `Solution.choices`, and what `--explain` prints."""

from __future__ import annotations

import inspect

from invprior import registry
from invprior.problem.problem import Problem
from invprior.provenance import stop_text
from invprior.solvers.base import Solver, State
from invprior.stopping.base import StoppingRule, parts_of

Choice = tuple[str, str, str]


def choices(
    problem: Problem, solver: Solver, why: str, state: State, stop: StoppingRule | None
) -> tuple[Choice, ...]:
    """What a run was not told, what was taken, and the reason.

    Args:
        problem: the problem; its noise was estimated where it has an estimate.
        solver: the solver that runs.
        why: why `auto` picked it; "" where it was given.
        state: the solver's state, which knows its step size.
        stop: the solver's own rule; None where one was given.
    """
    found: list[Choice] = []
    if problem.noise is not None:
        found.append(("noise", problem.noise.text(), problem.noise.method))
    if why:
        found.append(("solver", str(registry.describe(solver)), why))
    if state.step_size is not None and solver.step_reason:
        found.append(("step size", f"{state.step_size:.4g}", solver.step_reason))
    if problem.reparameterization is not None:
        found.extend(problem.reparameterization.choices)
    if stop is not None:
        reasons = (inspect.getdoc(type(rule)) or "" for rule in parts_of(stop))
        found.append(
            ("stop", stop_text(stop), " ".join(reason.partition("\n")[0] for reason in reasons))
        )
    return tuple(found)
