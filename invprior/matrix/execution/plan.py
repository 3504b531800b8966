"""The plan of a run: cells, what does not fit, what is missing, and an estimate of the time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import chdir
from dataclasses import dataclass, replace

from invprior.builders.problem import stop_from
from invprior.builders.solver import select_solver
from invprior.errors import IncompatibleError, InvpriorError
from invprior.matrix.config import specs
from invprior.matrix.execution.data import Case, prepare
from invprior.matrix.execution.restore import now, problem_of, restore
from invprior.matrix.results.cells import Job, home, parts
from invprior.matrix.results.record import Record
from invprior.matrix.results.store import PlannedCell
from invprior.numerics import threads
from invprior.problem.problem import Problem
from invprior.runner.api import iterate
from invprior.solvers.base import Solver
from invprior.stopping.base import AllOf, AnyOf, StoppingRule
from invprior.stopping.max_steps import MaxSteps

SIDE = 64  # pixels: side of the smaller of two crops on which a few steps are timed
_TIMED_STEPS = 3
_DEFAULT_STEPS = 100  # assumed for a solver that stops by itself
_WEIGHT_TRIALS = 8.0  # cost of an automatic weight, in reconstructions
LONGEST = 120.0  # seconds that all estimates may take
_OVERHEAD = 0.3  # seconds that a cell takes beyond its reconstruction, at most


@dataclass(frozen=True, kw_only=True)
class Row:
    """All cells that differ only in image and seed.

    Attributes:
        incompatible: why they cannot be computed, or "".
        missing: packages to install first.
        seconds: estimated time of one cell; None without an estimate.
    """

    cells: tuple[PlannedCell, ...]
    incompatible: str = ""
    missing: tuple[str, ...] = ()
    seconds: float | None = None

    @property
    def todo(self) -> int:
        """Number of cells without a record."""
        return sum(c.state == "missing" for c in self.cells)


def plan(cells: Sequence[PlannedCell]) -> Iterator[Row]:
    """Group cells into rows, in order, and estimate each row; those that `LONGEST` leaves no time for have none."""
    until = time.monotonic() + LONGEST
    rows: dict[tuple[str, ...], list[PlannedCell]] = {}
    for one in cells:
        cell = one.job.cell
        axes = cell.operator, cell.noise, cell.method, cell.solver, cell.stop
        rows.setdefault(axes, []).append(one)
    for members in rows.values():
        yield _row(tuple(members), timed=time.monotonic() < until)


def _row(members: tuple[PlannedCell, ...], *, timed: bool) -> Row:
    job = members[0].job
    known = [c.record for c in members if c.record is not None and c.record.status == "ok"]
    if job.missing:
        return Row(cells=members, missing=job.missing)
    if known:
        return Row(cells=members, seconds=_mean(known))
    if not (timed and all(specs.is_own(group, text) for group, text in parts(job))):
        return Row(cells=members)  # code of other packages runs in a cell's own process only
    try:
        with chdir(home(job)):  # specs name files relative to it
            return Row(cells=members, seconds=_estimate(job))
    except IncompatibleError as error:
        return Row(cells=members, incompatible=str(error))
    except InvpriorError:
        return Row(cells=members)  # the small crop may be what does not fit


def _mean(records: list[Record]) -> float:
    return sum(r.seconds.whole for r in records) / len(records)


def _estimate(job: Job) -> float:
    """Estimate a cell's seconds from a few steps on the centre of the first image.

    Raises:
        IncompatibleError: the method does not fit.
    """
    whole = prepare(job)
    if not job.method.prior:
        began = time.perf_counter()
        restore(job, whole, lambda x: {}, lambda step, seconds: None, None)
        return time.perf_counter() - began + _OVERHEAD
    problem = problem_of(job, whole)
    solver = select_solver(problem, job.cell.solver).solver
    with threads.limited_to(job.setting.threads):
        step = _step_seconds(job, whole, solver)
    once = step * _steps(job, problem, solver) * job.method.runs
    return once * _reconstructions(job, problem) + _OVERHEAD


def _step_seconds(job: Job, whole: Case, solver: Solver) -> float:
    """Extrapolate the seconds of a step on the whole image from two crops.

    A step has a part that grows with the pixels and a constant one: on a small crop, a small network spends most of
    its time on calling layers.
    """
    side, known = max(SIDE, job.protocol.multiple), []
    height, width = whole.truth.shape[-2:]
    for most in (side, 2 * side):
        if max(height, width) <= most:
            return _fastest(problem_of(job, whole), solver)
        small = replace(job, setting=replace(job.setting, size=most))
        case = prepare(small)
        known.append((case.truth[0, 0].numel(), _fastest(problem_of(small, case), solver)))
    (few, short), (more, long) = known
    return long + max(long - short, 0.0) * (height * width - more) / (more - few)


def _fastest(problem: Problem, solver: Solver) -> float:
    """Return the seconds of the fastest of a few steps; the first one, which also prepares, does not count.

    On the CPU it is at most the time that this process was working, so that other load on the machine does not count.
    """
    steps = iterate(problem, solver)
    next(steps)
    times = []
    for _ in range(_TIMED_STEPS):
        began, worked = now(problem.y), time.process_time()
        next(steps)
        times.append(now(problem.y) - began)
        if problem.y.device.type == "cpu":
            times.append(time.process_time() - worked)
    return min(times)


def _steps(job: Job, problem: Problem, solver: Solver) -> int:
    rule = stop_from(job.cell.stop) if job.cell.stop else solver.default_stop(problem)
    limit = _limit(rule)
    if problem.reparameterization is not None:
        return limit or problem.reparameterization.steps
    return min(limit or _DEFAULT_STEPS, _DEFAULT_STEPS)


def _limit(rule: StoppingRule) -> int | None:
    """Return the most steps that a rule allows, or None if it has no such limit."""
    if isinstance(rule, MaxSteps):
        return rule.steps
    if isinstance(rule, AnyOf | AllOf):
        limits = [n for inner in rule.rules if (n := _limit(inner))]
        return min(limits) if limits else None
    return None


def _reconstructions(job: Job, problem: Problem) -> float:
    """Return how many reconstructions a cell makes; the tuning, which images share, counts in each cell."""
    if job.method.weights in ("tuned", "oracle"):
        return 1.0 + job.tuning.budget * max(len(job.tuning.images), 1)
    open_weights = any(t.given_weight is None for t in problem.prior.terms)
    network = problem.reparameterization is not None
    automatic = job.method.weights != "fixed" and open_weights and not network
    return 1.0 + _WEIGHT_TRIALS * automatic
