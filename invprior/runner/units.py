"""A run works in the units of its image's range; what enters it and leaves it is in the units of the data."""

from __future__ import annotations

from dataclasses import replace

from invprior.problem.solution import Iterate, Solution
from invprior.problem.units import Units
from invprior.runner.history import Callback
from invprior.runner.options import RunOptions


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
    return lambda iterate: callback(iterate_in_data_units(iterate, units))


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
        # A deviation has no offset.
        deviation=None if solution.deviation is None else solution.deviation * units.scale,
        members=tuple(solution_in_data_units(m, units) for m in solution.members),
        images=tuple(solution_in_data_units(i, units) for i in solution.images),
    )
