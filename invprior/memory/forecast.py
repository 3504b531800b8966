"""How much memory a run will need, told before it begins."""

from __future__ import annotations

from dataclasses import dataclass

from invprior.errors import InvpriorError
from invprior.memory.profiling import Trace, profile
from invprior.numerics.box import Box
from invprior.operators.base import LocalOperator
from invprior.operators.denoise import Denoise
from invprior.problem.problem import Problem, restrict, restrict_prior
from invprior.solvers.base import Solver

PROFILE_SIDE = (
    64  # of the image that is rehearsed, in pixels: two cells of the deepest maps of most networks
)
_PICTURES = 16  # measurement, first guess, averages, iterates that the guard keeps, what goes back through A
_SPARE = 1.1  # for what libraries take inside an operation; found by comparing with the peak of whole processes


@dataclass(frozen=True)
class Estimate:
    """Memory that a run needs at its peak, in bytes, beyond what Python and its libraries hold.

    Attributes:
        working: the solver's: for a network, its maps kept for the backward pass, and gradients.
        weights: parameters, the optimiser's moments, and the copy of both that the run may return to.
        images: the measurement, iterates and the like.
    """

    working: int
    weights: int
    images: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.working + self.weights + self.images


@dataclass(frozen=True)
class Forecast:
    """What was seen on two small parts of an image, from which larger ones follow.

    Attributes:
        problem: the whole problem.
        pixels: of the two parts, as the network pads them.
        traces: what their runs held.
    """

    problem: Problem
    pixels: tuple[int, int]
    traces: tuple[Trace, Trace]

    @property
    def whole(self) -> Estimate:
        """The memory for the image as it is."""
        height, width = self.problem.operator.image_shape[-2:]
        return self.at(height, width)

    def at(self, height: int, width: int) -> Estimate:
        """Estimate the memory for an image, or a tile, of some size in pixels."""
        (few, more), (small, large) = self.pixels, self.traces
        pixels = _covered(self.problem, (height, width))
        times = (pixels - few) / (more - few) if more > few else 1.0

        def grown(a: int, b: int) -> int:
            return max(round(a + times * (b - a)), 0)

        if len(small.timeline) == len(large.timeline):  # each moment grows at its own rate
            peak = max(map(grown, small.timeline, large.timeline), default=0)
        else:
            peak = grown(small.peak, large.peak)
        parameters = grown(small.parameters, large.parameters)
        moments = grown(small.moments, large.moments)
        channels, item = self.problem.operator.image_shape[0], self.problem.y.element_size()
        return Estimate(
            working=round(_SPARE * max(peak - parameters, 0)),
            weights=2 * (parameters + moments),
            images=_PICTURES * channels * height * width * item,
        )


def estimate(problem: Problem, solver: Solver) -> Estimate | None:
    """Estimate a run's memory by rehearsing a step on two small parts of the image; no random state changes.

    Args:
        problem: the problem, at its full size.
        solver: the solver that will run, as `Selection.solver`.

    Returns:
        None when it cannot be told: the image has no height and width, or a part of it cannot be solved alone.
    """
    found = forecast(problem, solver)
    return None if found is None else found.whole


def forecast(problem: Problem, solver: Solver) -> Forecast | None:
    """Rehearse; see `estimate`."""
    if len(problem.operator.image_shape) != 3:
        return None
    first, second = _sizes(problem)
    try:
        small, large = (_rehearsed(problem, solver, size) for size in (first, second))
    except Exception:  # a part that fails says nothing about the whole, which may well run
        return None
    pixels = _covered(problem, first), _covered(problem, second)
    return Forecast(problem, pixels, (small, large))


def _rehearsed(problem: Problem, solver: Solver, size: tuple[int, int]) -> Trace:
    box = Box(0, 0, *size)
    try:
        part = restrict(problem, box)
    except InvpriorError:  # an operator that acts on the whole image; denoising stands in for it
        shape = (problem.operator.image_shape[0], *size)
        y = problem.y.new_full((1, *shape), float(problem.y.mean()))
        prior = restrict_prior(problem.prior, box)
        part = Problem(Denoise(shape), y, prior, problem.fidelity, problem.noise)
    x0 = problem.y.new_zeros(1, *part.operator.image_shape)
    return profile(solver.route(part), solver, x0)


def _sizes(problem: Problem) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two sizes to rehearse that differ for the network too; the image's own when it is small."""
    height, width = problem.operator.image_shape[-2:]
    operator = problem.operator
    alignment = operator.alignment if isinstance(operator, LocalOperator) else 1
    side = -(-PROFILE_SIDE // alignment) * alignment
    while True:
        small = min(side, height), min(side, width)
        longer = (1, 2) if width >= height else (2, 1)
        large = min(longer[0] * side, height), min(longer[1] * side, width)
        if _covered(problem, large) > _covered(problem, small) or side >= max(height, width):
            return small, large
        side *= 2


def _covered(problem: Problem, size: tuple[int, int]) -> int:
    """Return the pixels of the largest image for which a network has the same input as for this size."""
    prior, (height, width) = problem.reparameterization, size
    if prior is None:
        return height * width
    same = prior.input_size(height, width)
    while prior.input_size(height + 1, width) == same:
        height += 1
    while prior.input_size(height, width + 1) == same:
        width += 1
    return height * width
