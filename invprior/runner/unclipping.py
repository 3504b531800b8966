"""A run on clipped noise estimates the mean of what was seen; its solution is the image behind that."""

from __future__ import annotations

from dataclasses import replace

from invprior.problem.problem import Problem
from invprior.problem.solution import Solution


def unclipped(solution: Solution, problem: Problem) -> Solution:
    """Return the solution without the bias of clipped noise, see `Problem.clipping`.

    Args:
        solution: the solution of a run, in its units.
        problem: the problem of that run.
    """
    if problem.clipping is None:
        return solution
    low, high = (float(problem.units.outward(solution.x.new_tensor(v))) for v in problem.clipping)
    at = " and ".join(f"{v:.4g}" for v in (low, high) if abs(v) != float("inf"))
    choice = ("clipping", f"undone at {at}", _WHY)
    return replace(solution, x=problem.unclipped(solution.x), choices=(*solution.choices, choice))


_WHY = "many measurements share this value, where clipped noise has a mean that is not the image"
