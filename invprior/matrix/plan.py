"""What a run would do, before anything is spent: cells, what does not fit, what is missing, and about how long."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import chdir
from dataclasses import dataclass, replace
from itertools import islice

from invprior.errors import IncompatibleError, InvpriorError
from invprior.loop import chosen, iterate, route_or_explain
from invprior.matrix import specs
from invprior.matrix.cells import Job, parts
from invprior.matrix.data import Case, prepare
from invprior.matrix.record import Record
from invprior.matrix.restore import problem_of, restore
from invprior.matrix.store import Found
from invprior.problem import Problem
from invprior.stopping.base import AllOf, AnyOf, StoppingRule
from invprior.stopping.max_steps import MaxSteps

SIDE = 64  # pixels: of the crop on which a few steps are timed
_FEW = 3
_USUAL = 100  # steps of a solver that stops by itself, where nothing better is known
_TRIALS = 8.0  # an automatic weight costs about as much as so many reconstructions
_BESIDE = 0.3  # seconds a cell takes beyond its reconstruction, at most


@dataclass(frozen=True, kw_only=True)
class Row:
    """All cells that differ in picture and seed alone.

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
    """Time a few steps on the middle of the first picture, and reckon up to the whole.

    Raises:
        IncompatibleError: the method does not fit.
    """
    whole = prepare(job)
    if not job.method.prior:
        began = time.perf_counter()
        restore(job, whole, lambda x: {}, lambda step, seconds: None, None)
        return time.perf_counter() - began + _BESIDE
    problem = problem_of(job, whole)
    solver, _ = chosen(problem, job.cell.solver)
    route_or_explain(problem, solver)
    small, times = _smaller(job, whole)
    part = problem_of(small, prepare(small)) if times > 1 else problem
    steps = iterate(part, solver)
    next(steps)
    began = time.perf_counter()
    for _ in islice(steps, _FEW):
        pass
    step = (time.perf_counter() - began) / _FEW * times
    once = step * _steps(job, problem) * job.method.runs
    return once * _tries(job, problem) + _BESIDE


def _smaller(job: Job, whole: Case) -> tuple[Job, float]:
    """The same cell on a crop, and how many times larger the whole is."""
    height, width = whole.truth.shape[-2:]
    side = max(SIDE, job.protocol.multiple)
    if max(height, width) <= side:
        return job, 1.0
    small = replace(job, setting=replace(job.setting, size=side))
    return small, height * width / (min(side, height) * min(side, width))


def _steps(job: Job, problem: Problem) -> int:
    from invprior.building import stop_from

    solver, _ = chosen(problem, job.cell.solver)
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
    """How many reconstructions a cell makes; those that tune are shared by all pictures but counted in each."""
    if job.method.weights in ("tuned", "oracle"):
        return 1.0 + job.tuning.budget * max(len(job.tuning.pictures), 1)
    open_weights = any(t.given_weight is None for t in problem.prior.terms)
    network = problem.reparameterization is not None
    automatic = job.method.weights != "fixed" and open_weights and not network
    return 1.0 + _TRIALS * automatic
