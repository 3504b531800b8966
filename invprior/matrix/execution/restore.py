"""Apply a method to a case: the restoration, and its cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from invprior import registry
from invprior.builders.problem import build, stop_from
from invprior.denoisers.base import Denoiser
from invprior.errors import IncompatibleError, PluginError, is_complex
from invprior.matrix.execution.counting import CallCounter
from invprior.matrix.execution.curve import CurveRecorder, Progress, Score
from invprior.matrix.execution.data import Case, resized
from invprior.matrix.execution.scaling import scaled
from invprior.matrix.results.cells import Job
from invprior.matrix.results.record import Weights
from invprior.numerics.complex_parts import from_parts, magnitude, parts
from invprior.numerics.random import derived_seed
from invprior.problem.problem import Problem
from invprior.problem.solution import DivergedError, Stop
from invprior.provenance import data_hash
from invprior.runner.api import iterate, solve_problem
from invprior.tuning.search import choose_weights


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A restoration and its cost; fields as in `Record`, times in seconds."""

    x: Tensor
    stop: Stop | None = None
    steps: int = 0
    solve: float = 0.0
    warm_up: float = 0.0
    tuning: float = 0.0
    calls: Mapping[str, int] = field(default_factory=dict)
    curve: tuple[Mapping[str, float], ...] = ()
    weights: Weights = "fixed"
    notes: tuple[str, ...] = ()
    reason: str = ""


def problem_of(job: Job, case: Case) -> Problem:
    """Build the problem of a case and a method; without a prior it has the data term alone."""
    # The initial estimate is smooth whenever there is a prior, and the same for all of them.
    simple = "tikhonov" if job.method.simple == "initial-estimate" else "none"
    prior = job.method.prior or simple
    (problem,) = build(
        case.y,
        operator=case.operator,
        prior=prior,
        noise=case.noise,
        data_range=case.data_range,
    )
    return problem


def without_method(
    problem: Problem, truth: Tensor
) -> tuple[Literal["measurement", "pseudo-inverse"], Tensor]:
    """Return the measurement if it is a picture of the image's size, else its pseudo-inverse; with its name."""
    if problem.picture is not None and problem.picture.shape == truth.shape:
        return "measurement", problem.picture
    return "pseudo-inverse", problem.pseudo_inverse()


def restore(
    job: Job, case: Case, score: Score, progress: Progress, factor: float | None
) -> Restored:
    """Apply a job's method.

    Args:
        job: the cell.
        case: its data.
        score: for the curve.
        progress: called with step and seconds now and then.
        factor: on the weights, see `tune`; None leaves them to the method.

    Raises:
        InvpriorError: the method does not fit the case.
        PluginError: its result is no image of this case, or it has changed the case's data.
    """
    problem = problem_of(job, case)
    before = data_hash(case.truth), data_hash(case.y)
    if job.method.prior:
        restored = _solve(job, problem, score, progress, factor)
    else:
        direct = _denoise if job.method.denoiser else _simple
        began = now(case.y)
        x = direct(job, problem)
        restored = Restored(x=x, solve=now(case.y) - began, notes=problem.notes)
    if isinstance(restored.x, Tensor) and not case.truth.is_complex():
        restored = replace(restored, x=magnitude(restored.x))  # as the truth is, and pictures are
    x, shape = restored.x, tuple(case.truth.shape)
    if not isinstance(x, Tensor) or tuple(x.shape) != shape or not x.is_floating_point():
        got = f"{tuple(x.shape)}, {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise PluginError(
            f"The restoration by {job.cell.method} must be floats of the shape {shape}; got {got}."
        )
    if (data_hash(case.truth), data_hash(case.y)) != before:
        raise PluginError(
            f"{job.cell.method} has changed the measurement in place, so nothing computed from it counts. A method "
            "must copy what it changes."
        )
    if not restored.reason and not bool(x.isfinite().all()):
        return replace(restored, reason="The restoration has values that are not finite.")
    return restored


def _solve(
    job: Job, problem: Problem, score: Score, progress: Progress, factor: float | None
) -> Restored:
    # Derived without the method's name, so that all methods of a seed have the same random numbers.
    method, seed = job.method, derived_seed(job.cell.seed, "matrix", "solver")
    stop = stop_from(job.cell.stop) if job.cell.stop else None
    began = now(problem.y)
    if factor is None:
        rule = {"fixed": "default", "automatic": "auto"}.get(method.weights, method.weights)
        problem = choose_weights(problem, rule=rule, solver=job.cell.solver, seed=seed)
    else:
        problem, stop = scaled(problem, stop, factor)
    tuning = now(problem.y) - began
    # One step on its own, since a first step also prepares what later ones use.
    with suppress(DivergedError):  # the run below reports it
        next(iterate(problem, job.cell.solver, seed=seed))
    warm_up = now(problem.y) - began - tuning
    # Only now, so that neither tuning nor warm-up counts.
    calls, recorder = CallCounter(problem.operator), CurveRecorder(score, progress)
    reason = ""
    try:
        solution = solve_problem(
            problem,
            job.cell.solver,
            stop=stop,
            seed=seed,
            runs=method.runs,
            callbacks=[recorder],
            record_every=0,  # the recorder keeps the curve
        )
    except DivergedError as error:
        if error.solution is None:  # there is no finite iterate to keep
            raise
        solution, reason = error.solution, str(error)
    ended = time.perf_counter()
    waited = now(problem.y) - ended  # a GPU may still be at work when the run returns
    counts, curve = calls.counts(), recorder.curve
    estimated = problem.weights is not None and bool(problem.weights.rule)
    default: Weights = "automatic" if estimated else "fixed"
    tuned: dict[str, Weights] = {"tuned": "tuned", "oracle": "oracle"}
    return Restored(
        x=solution.x,
        stop=solution.stop,
        steps=solution.steps,
        # The run's own time includes its callbacks.
        solve=max(solution.seconds - recorder.spent, 0.0) + waited,
        warm_up=warm_up,
        tuning=tuning,
        calls=counts,
        curve=curve,
        weights=tuned.get(method.weights, default),
        notes=solution.notes,
        reason=reason,
    )


def _simple(job: Job, problem: Problem) -> Tensor:
    name, y = job.method.simple, problem.picture
    if name == "initial-estimate":
        return problem.initial_estimate()
    if name == "pseudo-inverse":
        return problem.pseudo_inverse()
    if y is None:
        raise IncompatibleError(
            f"The measurement of {job.cell.operator} is no picture, and {name} needs one. Exclude this row here."
        )
    height, width = problem.operator.image_shape[-2:]
    same = tuple(y.shape[-2:]) == (height, width)
    if name == "bicubic" and not same:
        return resized(y, height, width, "bicubic")
    if name == "measurement" and same:
        return y
    raise IncompatibleError(
        f"The measurement is {y.shape[-2]} x {y.shape[-1]} and the image {height} x {width}, but {name} needs "
        f"{'a smaller measurement' if name == 'bicubic' else 'a measurement of the same size'}. Exclude this row here."
    )


def _denoise(job: Job, problem: Problem) -> Tensor:
    denoiser: Denoiser = registry.create("denoisers", job.method.denoiser)
    if not problem.operator.is_identity:
        raise IncompatibleError(
            f"A denoiser on its own removes noise only, and the operator is {job.cell.operator}. "
            f"Use the prior pnp:denoiser={job.method.denoiser}, or exclude this row here."
        )
    inner = problem.standardised
    noisy = from_parts(inner.y) if inner.units.of_parts else inner.y
    found = denoiser.denoise(noisy, inner.noise_level)
    return inner.units.outward(parts(found) if is_complex(found) else found)


def now(like: Tensor) -> float:
    """Return the time in seconds, after the device of a tensor has finished its work."""
    if like.device.type == "cuda":
        torch.cuda.synchronize(like.device)
    return time.perf_counter()
