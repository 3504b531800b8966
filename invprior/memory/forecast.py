"""The forecast of a run's memory, made before its first step."""

from __future__ import annotations

from dataclasses import dataclass

from invprior.errors import InvpriorError
from invprior.memory.profiling import Trace, profile
from invprior.numerics.box import Box
from invprior.numerics.side_by_side import together
from invprior.operators.denoise import Denoise
from invprior.problem.problem import Problem
from invprior.problem.restriction import alignment_of, restrict, restrict_prior
from invprior.solvers.base import Solver

# Side of the smaller profiled image, in pixels. The deepest maps of most networks are then 2 x 2.
PROFILE_SIDE = 64
# The measurement, the initial estimate, averages, the monitor's iterates, and what A^H returns.
_IMAGES = 16
# For the scratch memory of libraries inside an operation; from comparisons with the peak of whole processes.
_MARGIN = 1.1
# In its place for networks that compute side by side: each has temporary maps of its own, and a heap.
_MARGIN_TOGETHER = 2.0


@dataclass(frozen=True)
class Estimate:
    """Peak memory of a run in bytes, beyond what Python and its libraries hold.

    Attributes:
        working: memory of the solver: for a network, its maps for the backward pass, and gradients.
        weights: parameters, the optimiser's moments, and a copy of both for rollback and refit.
        images: the measurement, iterates and other images.
    """

    working: int
    weights: int
    images: int

    @property
    def total(self) -> int:
        """The sum of the three."""
        return self.working + self.weights + self.images


@dataclass(frozen=True)
class Forecast:
    """Profiles of two small parts of an image, extrapolated to larger sizes.

    Attributes:
        problem: the whole problem.
        pixels: number of pixels of the two parts, after the network's padding.
        traces: memory profiles of the two parts.
    """

    problem: Problem
    pixels: tuple[int, int]
    traces: tuple[Trace, Trace]

    @property
    def whole(self) -> Estimate:
        """The estimate for the whole image."""
        height, width = self.problem.operator.image_shape[-2:]
        return self.at(height, width)

    def at(self, height: int, width: int) -> Estimate:
        """Estimate the memory for an image or tile of a height and width in pixels."""
        (few, more), (small, large) = self.pixels, self.traces
        pixels = _covered(self.problem, (height, width))
        # An image no larger than the parts was profiled whole, so nothing is extrapolated.
        ratio = (pixels - few) / (more - few) if more > few else 1.0

        def extrapolated(a: int, b: int) -> int:
            return max(round(a + ratio * (b - a)), 0)

        # Moment by moment, since the peak of a large image may lie at another operation than that of a small one.
        if len(small.timeline) == len(large.timeline):
            peak = max(map(extrapolated, small.timeline, large.timeline), default=0)
        else:
            peak = extrapolated(small.peak, large.peak)
        parameters = extrapolated(small.parameters, large.parameters)
        moments = extrapolated(small.moments, large.moments)
        network, on_cpu = self.problem.reparameterization, self.problem.y.device.type == "cpu"
        beside = network is not None and on_cpu and together(network.members)
        channels, item = self.problem.operator.image_shape[0], self.problem.y.element_size()
        return Estimate(
            # The timeline includes the parameters, which `weights` counts.
            working=round((_MARGIN_TOGETHER if beside else _MARGIN) * max(peak - parameters, 0)),
            weights=2 * (parameters + moments),
            images=_IMAGES * channels * height * width * item,
        )


def estimate(problem: Problem, solver: Solver) -> Estimate | None:
    """Estimate a run's memory by profiling a step on two small parts of the image; no random state changes.

    Args:
        problem: the problem, at its full size.
        solver: the solver of the run, as `Selection.solver`.

    Returns:
        The estimate. None when the image has no height and width, or when no small part can be solved alone.
    """
    found = forecast(problem, solver)
    return None if found is None else found.whole


def forecast(problem: Problem, solver: Solver) -> Forecast | None:
    """Profile two small parts of the image; see `estimate`."""
    if len(problem.operator.image_shape) != 3:
        return None
    first, second = _sizes(problem)
    try:
        small, large = (_profiled(problem, solver, size) for size in (first, second))
    except Exception:  # a part may fail where the whole image runs
        return None
    pixels = _covered(problem, first), _covered(problem, second)
    return Forecast(problem, pixels, (small, large))


def _profiled(problem: Problem, solver: Solver, size: tuple[int, int]) -> Trace:
    box = Box(0, 0, *size)
    try:
        part = restrict(problem, box)
    except InvpriorError:  # the operator acts on the whole image; denoising stands in for it
        shape = (problem.operator.image_shape[0], *size)
        y = problem.y.new_full((1, *shape), float(problem.y.mean()))
        prior = restrict_prior(problem.prior, box)
        part = Problem(Denoise(shape), y, prior, problem.fidelity, problem.noise)
    x0 = problem.y.new_zeros(1, *part.operator.image_shape)
    return profile(solver.route(part), solver, x0)


def _sizes(problem: Problem) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return two sizes to profile, which differ after the network's padding unless the image is small."""
    height, width = problem.operator.image_shape[-2:]
    alignment = alignment_of(problem)
    side = -(-PROFILE_SIDE // alignment) * alignment
    while True:
        small = min(side, height), min(side, width)
        # Along the longer side, so that the two parts differ in a narrow image too.
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
