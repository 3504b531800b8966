"""What a run would do, before anything is spent: cells, what does not fit, what is missing, and about how long."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace

import torch

from invprior.builders.solver import check_compatible, select_solver
from invprior.errors import IncompatibleError, InvpriorError
from invprior.matrix.config import specs
from invprior.matrix.execution.data import Case, prepare
from invprior.matrix.execution.restore import now, problem_of, restore
from invprior.matrix.results.cells import Job, parts
from invprior.matrix.results.record import Record
from invprior.matrix.results.store import Found
from invprior.problem.problem import Problem
from invprior.runner.api import iterate
from invprior.solvers.base import Solver
from invprior.stopping.base import AllOf, AnyOf, StoppingRule
from invprior.stopping.max_steps import MaxSteps

SIDE = 64  # pixels: of the smaller of two crops on which a few steps are timed
_FEW = 3
_USUAL = 100  # steps of a solver that stops by itself, where nothing better is known
_TRIALS = 8.0  # an automatic weight costs about as much as so many reconstructions
_BESIDE = 0.3  # seconds a cell takes beyond its reconstruction, at most


@dataclass(frozen=True, kw_only=True)
class Row:
    """All cells that differ in image and seed alone.

    Attributes:
        found: the cells.
        incompatible: why they cannot be computed, or "".
        missing: packages to install first.
        seconds: that one cell may take, estimated; None where nothing can be told.
    """

    found: tuple[Found, ...]
    incompatible: str = ""
    missing: tuple[str, ...] = ()
    seconds: float | None = None

    @property
    def todo(self) -> int:
        """Cells without a record."""
        return sum(f.state == "missing" for f in self.found)


def plan(found: Sequence[Found]) -> Iterator[Row]:
    """Sort cells into rows, in order, and estimate each row."""
    rows: dict[tuple[str, ...], list[Found]] = {}
    for one in found:
        cell = one.job.cell
        axes = cell.operator, cell.noise, cell.method, cell.solver, cell.stop
        rows.setdefault(axes, []).append(one)
    for members in rows.values():
        yield _row(tuple(members))


def _row(members: tuple[Found, ...]) -> Row:
    job = members[0].job
    known = [f.record for f in members if f.record is not None and f.record.status == "ok"]
    if job.missing:
        return Row(found=members, missing=job.missing)
    if known:
        return Row(found=members, seconds=_mean(known))
    if not all(specs.is_own(group, text) for group, text in parts(job)):
        return Row(found=members)  # other packages' code runs in a cell's own process only
    try:
        with chdir(job.setting.data):
            return Row(found=members, seconds=_timed(job))
    except IncompatibleError as error:
        return Row(found=members, incompatible=str(error))
    except InvpriorError:
        return Row(found=members)  # the part that is timed may be what does not fit


def _mean(records: list[Record]) -> float:
    return sum(r.seconds.whole for r in records) / len(records)


def _timed(job: Job) -> float:
    """Time a few steps on the middle of the first image, and reckon up to the whole.

    Raises:
        IncompatibleError: the method does not fit.
    """
    whole = prepare(job)
    if not job.method.prior:
        began = time.perf_counter()
        restore(job, whole, lambda x: {}, lambda step, seconds: None, None)
        return time.perf_counter() - began + _BESIDE
    problem = problem_of(job, whole)
    solver, _ = select_solver(problem, job.cell.solver)
    check_compatible(problem, solver)
    with _threads(job.setting.threads):
        step = _step(job, whole, solver)
    once = step * _steps(job, problem) * job.method.runs
    return once * _tries(job, problem) + _BESIDE


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """As many as a cell has."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _step(job: Job, whole: Case, solver: Solver) -> float:
    """Seconds of a step on the whole image, reckoned from two crops.

    A step has a part that grows with the pixels and one that does not: a small network on a small crop does little but
    call layers.
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
    """The fastest of a few steps, in seconds; the first one, which also prepares, does not count.

    On the CPU at most the time that this process worked: other work on the machine would pass for ours.
    """
    steps = iterate(problem, solver)
    next(steps)
    times = []
    for _ in range(_FEW):
        began, worked = now(problem.y), time.process_time()
        next(steps)
        times.append(now(problem.y) - began)
        if problem.y.device.type == "cpu":
            times.append(time.process_time() - worked)
    return min(times)


def _steps(job: Job, problem: Problem) -> int:
    from invprior.builders.problem import stop_from

    solver, _ = select_solver(problem, job.cell.solver)
    rule = stop_from(job.cell.stop) if job.cell.stop else solver.default_stop(problem)
    limit = _limit(rule)
    if problem.reparameterization is not None:
        return limit or problem.reparameterization.steps
    return min(limit or _USUAL, _USUAL)


def _limit(rule: StoppingRule) -> int | None:
    if isinstance(rule, MaxSteps):
        return rule.steps
    if isinstance(rule, AnyOf | AllOf):
        limits = [n for inner in rule.rules if (n := _limit(inner))]
        return min(limits) if limits else None
    return None


def _tries(job: Job, problem: Problem) -> float:
    """How many reconstructions a cell makes; those that tune are shared by all images but counted in each."""
    if job.method.weights in ("tuned", "oracle"):
        return 1.0 + job.tuning.budget * max(len(job.tuning.images), 1)
    open_weights = any(t.given_weight is None for t in problem.prior.terms)
    network = problem.reparameterization is not None
    automatic = job.method.weights != "fixed" and open_weights and not network
    return 1.0 + _TRIALS * automatic
