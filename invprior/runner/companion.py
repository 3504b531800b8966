"""The explicit prior beside a network: its image pulls the fit, and the result is the mean of both."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace

from torch import Tensor

from invprior.builders.solver import Selection, select_solver
from invprior.errors import InvpriorError
from invprior.problem.functionals import Penalty, as_prior
from invprior.problem.solution import Interrupted, Solution
from invprior.runner.options import RunOptions

Solve = Callable[[Selection, RunOptions], Solution]


def companion(selection: Selection, options: RunOptions, solve: Solve) -> Solution | str | None:
    """Solve the problem with the explicit prior that a network's image is averaged with.

    Args:
        selection: the network's problem and its solver.
        options: the options of its run.
        solve: solves a problem; the solution is in the units of the data.

    Returns:
        The solution; why there is none; or None if the network has no such prior.
    """
    network = selection.objective.problem.reparameterization
    # Other terms of the prior are the user's own objective, which the mean would not minimise.
    if network is None or network.mean_with is None or len(selection.problem.prior.terms) > 1:
        return None
    prior, solver = network.mean_with
    problem = replace(
        selection.problem.in_data_units,
        prior=as_prior(prior),
        # As the network's run has it, which may have estimated it.
        data_range=selection.problem.data_range,
    )
    own = RunOptions(seed=options.seed, memory_limit=options.memory_limit, record_every=0)
    try:
        return solve(select_solver(problem, solver), own)
    except Interrupted:
        raise
    except InvpriorError as fault:
        return str(fault).rstrip(".")


class Distance(Penalty):
    """R(x) = 1/2 ||x - c||^2, the distance to an image."""

    def __init__(self, centre: Tensor) -> None:
        super().__init__()
        # Private, so that no checkpoint compares it: its last digits depend on the number of threads.
        self._centre = centre

    def value(self, x: Tensor) -> Tensor:
        """Return R of each image, (B,)."""
        return 0.5 * (x - self._centre).square().flatten(1).sum(1)

    def gradient(self, x: Tensor) -> Tensor:
        """Return x - c."""
        return x - self._centre

    def lipschitz(self) -> float:
        """Return 1."""
        return 1.0


def pulled(selection: Selection, explicit: Solution | str | None) -> Selection:
    """Return the network's run with a fit that the companion's image pulls, where it can.

    A network fits what the operator has weakened last, and noise there by then. The companion's image has little noise,
    so a fit that stays close to it runs longer and ends better: by 0.8 dB behind a motion kernel, measured on 96 px.
    """
    problem, network = selection.problem, selection.problem.reparameterization
    # The noise of pixels that are measured directly would pull the network to the measurement's own.
    if network is None or not isinstance(explicit, Solution) or problem.operator.is_identity:
        return selection
    close = copy(network)
    close.pull = (_PULL, Distance(problem.units.inward(explicit.x).to(problem.y)))
    return selection.on(problem.with_network(close))


def averaged(solution: Solution, explicit: Solution | str | None) -> Solution:
    """Return the solution with the mean of both images; each of several runs is averaged by itself."""
    if explicit is None:
        return solution
    if isinstance(explicit, str):
        note = f"the result is the network's image alone, as its companion could not be solved: {explicit}"
        return replace(solution, notes=(*solution.notes, note))
    return replace(
        solution,
        x=(solution.x + explicit.x) / 2,
        deviation=None if solution.deviation is None else solution.deviation / 2,
        members=tuple(averaged(member, explicit) for member in solution.members),
        seconds=solution.seconds + explicit.seconds,
        tuning_seconds=solution.tuning_seconds + explicit.tuning_seconds,
        notes=(*solution.notes, *explicit.notes),
        choices=(*solution.choices, ("companion", explicit.provenance["prior"], _WHY)),
    )


# Times the gradient of the distance, beside the back-projected residual. 0.3 gained half as much.
_PULL = 1.0
_WHY = "its errors differ from the network's, so the mean of both images is usually better"
