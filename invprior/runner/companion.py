"""The mean of a network's image and that of an explicit prior for the same problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from invprior.builders.solver import Selection, select_solver
from invprior.errors import InvpriorError
from invprior.problem.functionals import as_prior
from invprior.problem.solution import Interrupted, Solution
from invprior.runner.options import RunOptions

Solve = Callable[[Selection, RunOptions], Solution]


class Explicit(NamedTuple):
    """What an explicit prior made of the problem: its solution, or why there is none; and its share in the mean."""

    solution: Solution | str
    share: float


def companion(selection: Selection, options: RunOptions, solve: Solve) -> Explicit | None:
    """Solve the problem with the explicit prior that a network's image is averaged with.

    Args:
        selection: the network's problem and its solver.
        options: the options of its run.
        solve: solves a problem; the solution is in the units of the data.

    Returns:
        What it made; None if the network has no such prior.
    """
    network = selection.objective.problem.reparameterization
    # Other terms of the prior are the user's own objective, which the mean would not minimise.
    if network is None or network.mean_with is None or len(selection.problem.prior.terms) > 1:
        return None
    prior, solver, share = network.mean_with
    problem = replace(
        selection.problem.in_data_units,
        prior=as_prior(prior),
        # As the network's run has it, which may have estimated it.
        data_range=selection.problem.data_range,
    )
    own = RunOptions(seed=options.seed, memory_limit=options.memory_limit, record_every=0)
    try:
        return Explicit(solve(select_solver(problem, solver), own), share)
    except Interrupted:
        raise
    except InvpriorError as fault:
        return Explicit(str(fault).rstrip("."), share)


def averaged(solution: Solution, companion: Explicit | None) -> Solution:
    """Return the solution with the weighted mean of both images; each of several runs is averaged by itself."""
    if companion is None:
        return solution
    explicit, share = companion
    if isinstance(explicit, str):
        note = f"the result is the network's image alone, as its companion could not be solved: {explicit}"
        return replace(solution, notes=(*solution.notes, note))
    return replace(
        solution,
        x=(1 - share) * solution.x + share * explicit.x,
        deviation=None if solution.deviation is None else (1 - share) * solution.deviation,
        members=tuple(averaged(member, companion) for member in solution.members),
        seconds=solution.seconds + explicit.seconds,
        tuning_seconds=solution.tuning_seconds + explicit.tuning_seconds,
        notes=(*solution.notes, *explicit.notes),
        choices=(
            *solution.choices,
            ("companion", f"{100 * share:g} % {explicit.provenance['prior']}", _WHY),
        ),
    )


_WHY = "its errors differ from the network's, so the mean of both images is usually better"
