"""A run works in the units of its image's range; what enters it and leaves it is in the units of the data."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from invprior.problem.complex_terms import REACH
from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Solution, Stop
from invprior.problem.units import Units
from invprior.runner.history import Callback
from invprior.runner.options import RunOptions

_AT_END = 0.002  # of the range: no network comes closer to the ends of its sigmoid by chance
_FEW = 0.001  # fraction of the pixels
_FAR = 10.0  # times the range of [0, 1]: what priors and solvers still bear


def options_for_run(options: RunOptions, units: Units) -> RunOptions:
    """Return the options in the units of the run; its callbacks still see iterates in the units of the data."""
    if units.is_identity:
        return options
    return replace(
        options,
        x0=None if options.x0 is None else units.inward(options.x0),
        callbacks=[_outside(callback, units) for callback in options.callbacks],
    )


def _outside(callback: Callback, units: Units) -> Callback:
    def called(iterate: Iterate) -> object:
        asked = callback(iterate_in_data_units(iterate, units))
        # The image that a stop names goes back into the run.
        if isinstance(asked, Stop) and asked.x is not None:
            return replace(asked, x=units.inward(asked.x))
        return asked

    return called


def iterate_in_data_units(now: Iterate, units: Units) -> Iterate:
    """Return a run's iterate in the units of the data."""
    if units.is_identity:
        return now
    x = units.outward(now.x)
    return replace(
        now,
        x=x,
        previous=units.outward(now.previous),
        # The same tensor where the run has the same, as their identity says that there is no ensemble.
        latest=x if now.latest is now.x else units.outward(now.latest),
        members=x if now.members is now.x else units.outward(now.members),
        in_run=now,
    )


def solution_in_data_units(solution: Solution, units: Units) -> Solution:
    """Return a run's solution in the units of the data."""
    if units.is_identity:
        return solution
    return replace(
        solution,
        x=units.outward(solution.x),
        deviation=None
        if solution.deviation is None
        else units.deviation_outward(solution.deviation),
        members=tuple(solution_in_data_units(m, units) for m in solution.members),
        images=tuple(solution_in_data_units(i, units) for i in solution.images),
    )


def range_note(problem: Problem, x: Tensor) -> str | None:
    """Return a sentence when a network's image reaches the ends of the range, which it cannot leave; else None.

    Args:
        problem: the problem of the run.
        x: its image, in the units of the run.
    """
    # A photograph's white is the end of its range by right.
    if problem.reparameterization is None or problem.units.is_identity:
        return None
    units = problem.units
    least, most = (-REACH, REACH) if units.of_parts else (0.0, 1.0)
    share = float(((x < least + _AT_END) | (x > most - _AT_END)).float().mean())
    if share <= _FEW:
        return None
    low, high = (v * units.scale + units.low for v in (least, most))
    return (
        f"{100 * share:.1f} % of the image lie at an end of its range, {low:.4g} to {high:.4g}, which a network cannot "
        "leave; give a wider one with data_range (--range) if the intensities go on beyond it"
    )


def scale_notes(problem: Problem) -> tuple[str, ...]:
    """Return a sentence when a run keeps the units of the data, and these are far from a range of [0, 1].

    Args:
        problem: the problem of the run.
    """
    if not problem.unscalable or (found := problem.image_range) is None:
        return ()
    if found.low > -_FAR and 1 / _FAR < found.high < _FAR:
        return ()
    return (
        f"{' and '.join(problem.unscalable)} does not say how it scales (degree), so this run keeps the units of the "
        f"data, {found.low:.4g} to {found.high:.4g}. Priors and solvers suit a range of [0, 1]: scale the data",
    )
