"""The explicit prior that is solved beside a network: its image is averaged with the network's, or shown to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from invprior.builders.solver import Selection, select_solver
from invprior.errors import InvpriorError
from invprior.problem.functionals import Companion, as_prior
from invprior.problem.solution import Interrupted, Solution
from invprior.problem.units import Units
from invprior.runner.options import RunOptions

Solve = Callable[[Selection, RunOptions], Solution]


class Explicit(NamedTuple):
    """What an explicit prior made of the problem: its solution, or why there is none; and what it is for."""

    solution: Solution | str
    use: Companion


def companion(selection: Selection, options: RunOptions, solve: Solve) -> Explicit | None:
    """Solve the problem with the explicit prior that accompanies a network.

    Args:
        selection: the network's problem and its solver.
        options: the options of its run.
        solve: solves a problem; the solution is in the units of the data.

    Returns:
        What it made; None if the network has no such prior, or would see the user's estimate in place of its image.
    """
    network = selection.objective.problem.reparameterization
    # Other terms of the prior are the user's own objective, which the mean would not minimise.
    if network is None or network.solved_with is None or len(selection.problem.prior.terms) > 1:
        return None
    use = network.solved_with
    if use.shown and options.x0 is not None:
        return None
    problem = replace(
        selection.problem.in_data_units,
        prior=as_prior(use.prior),
        # As the network's run has it, which may have estimated it.
        data_range=selection.problem.data_range,
    )
    own = RunOptions(seed=options.seed, memory_limit=options.memory_limit, record_every=0)
    try:
        return Explicit(solve(select_solver(problem, use.solver), own), use)
    except Interrupted:
        raise
    except InvpriorError as fault:
        return Explicit(str(fault).rstrip("."), use)


def shown(options: RunOptions, companion: Explicit | None, units: Units) -> RunOptions:
    """Return the options of the network's run, which starts from the companion's image where it sees that."""
    if companion is None or not companion.use.shown or isinstance(companion.solution, str):
        return options
    return replace(options, x0=units.inward(companion.solution.x))


def averaged(solution: Solution, companion: Explicit | None) -> Solution:
    """Return the solution with the weighted mean of both images; each of several runs is averaged by itself."""
    if companion is None:
        return solution
    explicit, use = companion
    share = use.share
    if isinstance(explicit, str):
        note = f"the result is the network's image alone, as its companion could not be solved: {explicit}"
        return replace(solution, notes=(*solution.notes, note))
    name = explicit.provenance["prior"]
    choice = (name, _SHOWN) if use.shown else (f"{100 * share:g} % {name}", _MEAN)
    return replace(
        solution,
        x=(1 - share) * solution.x + share * explicit.x,
        deviation=None if solution.deviation is None else (1 - share) * solution.deviation,
        members=tuple(averaged(member, companion) for member in solution.members),
        seconds=solution.seconds + explicit.seconds,
        tuning_seconds=solution.tuning_seconds + explicit.tuning_seconds,
        notes=tuple(dict.fromkeys((*solution.notes, *explicit.notes))),
        choices=(*solution.choices, ("companion", *choice)),
    )


_MEAN = "its errors differ from the network's, so the mean of both images is usually better"
_SHOWN = "its image is the initial estimate that the network sees"
