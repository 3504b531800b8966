"""The loop: `iterate` leaves it to the caller, and `solve` runs it until a stopping rule is met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from os import PathLike
from typing import Literal

import torch
from torch import Tensor

from invprior.builders.measurements import ImageLike, image_batch
from invprior.builders.problem import all_of, build, solver_from, stop_from, weight_rule_from
from invprior.builders.solver import Selection, select_solver
from invprior.checkpoint.checkpoint import Checkpoint
from invprior.errors import MeasurementError
from invprior.fidelities.base import Fidelity
from invprior.memory.plan import plan_memory
from invprior.noises.base import Noise
from invprior.numerics.random import check_seed
from invprior.numerics.waiting import suiting_the_load
from invprior.operators.base import Operator, Recipe
from invprior.problem.functionals import Functional, Prior, Proximable
from invprior.problem.problem import Problem
from invprior.problem.solution import DivergedError, Iterate, Place, Solution, batch
from invprior.problem.solution import Interrupted as Interrupted
from invprior.registry.spec import RuleSpec, Spec
from invprior.runner import ensemble
from invprior.runner.companion import averaged, companion, shown
from invprior.runner.history import Callback
from invprior.runner.iteration import Iteration
from invprior.runner.options import RunOptions, check_steps, checkpoint_of
from invprior.runner.run import Run
from invprior.runner.tiling import run_in_tiles
from invprior.runner.unclipping import unclipped
from invprior.runner.units import (
    iterate_in_data_units,
    options_for_run,
    solution_in_data_units,
)
from invprior.runner.weighing import weighted_problem
from invprior.solvers.base import Solver
from invprior.stopping.base import StoppingRule
from invprior.tuning.search import annotate
from invprior.weights.base import WeightRule


def iterate(
    problem: Problem,
    solver: str | Spec | Solver | Selection = "auto",
    *,
    x0: Tensor | None = None,
    seed: int = 0,
) -> Iterator[Iterate]:
    """Run a solver step by step, without end; the caller's loop decides when to stop.

    Open weights of the prior take their defaults. `choose_weights` chooses them from the measurement.

    Args:
        problem: the problem, see `invprior.build`.
        solver: a solver or its spec.
        x0: the initial estimate, (1, C, H, W); by default a damped pseudo-inverse of the measurement.
        seed: seed of every random number in the run.

    Raises:
        IncompatibleError: the solver does not fit the problem. Raised before any step, and the
            message names solvers that do.
        DivergedError: an iterate became non-finite or exploded.
    """
    # Selected here and not in the generator, so that an unfit solver is refused at the call.
    selection = select_solver(problem, solver)
    return _endless(selection, x0, seed)


def _endless(selection: Selection, x0: Tensor | None, seed: int) -> Iterator[Iterate]:
    units = selection.problem.units
    start = None if x0 is None else units.inward(x0)
    with suiting_the_load():
        iteration = Iteration(selection.objective, selection.solver, start, seed)
        while True:
            yield iterate_in_data_units(iteration.advance(), units)


@torch.inference_mode(False)  # the caller's mode would forbid gradients
def solve(
    y: ImageLike,
    *,
    operator: str | Spec | Recipe | Operator = "denoise",
    prior: str | Spec | Sequence[Spec] | Functional | Prior = "dip",
    fidelity: str | Spec | Fidelity | None = None,
    noise: str | Spec | Noise | None = None,
    solver: str | Spec | Solver = "auto",
    stop: str | Spec | RuleSpec | StoppingRule | None = None,
    steps: int | None = None,
    x0: ImageLike | None = None,
    seed: int = 0,
    nan: Literal["refuse", "mask"] = "refuse",
    data_range: tuple[float, float] | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    callbacks: Sequence[Callback] = (),
    record_every: int = 10,
    runs: int = 1,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_every: float = 5.0,
    memory_limit: str | int | None = None,
    weight: str | Spec | WeightRule = "auto",
    progress: bool = False,
) -> Solution:
    """Restore an image: minimise E(A x; y) + R(x).

    Every part is a spec such as "tv:weight=8", or an object of a class of invprior or of your own.

    Args:
        y: the measurement: a tensor (N,), (H, W), (C, H, W) or (B, C, H, W), an array (N,), (H, W)
            or (H, W, C), or a file. One dimension is a signal, which is solved as an image of one
            row, (1, 1, 1, N), and `to_numpy` returns (N,); an array (1, N) stays an image. Floats
            may have any unit; integers of 8 and 16 bits are read as [0, 1]. Images of a batch are
            solved one by one.
        operator: the forward operator A.
        prior: R, a sum of weighted terms; "dip" sets x = f_theta(z).
        fidelity: E; by default the noise's negative log-likelihood.
        noise: the noise model, such as "gaussian:sigma=0.1". Its open parameters are estimated from y, and so is
            white Gaussian noise when it is "auto" or absent.
        solver: the algorithm; "auto" picks one that fits.
        stop: the stopping rule; by default the solver's or the prior's own.
        steps: the largest number of iterations; the limit of the stopping rule, in place of its own.
        x0: the initial estimate; by default a damped pseudo-inverse of y. A network starts from random
            weights; dip:preset=fast sees the estimate where an image without noise is enlarged.
        seed: seed of every random number in the run; the same seed gives the same bits on the CPU.
        nan: "refuse" a measurement with NaN or infinity, or "mask" these entries out of the fit.
        data_range: the intensities of black and of white in the image, in the units of the array or file, such as
            (0, 4095). The run works in units in
            which they are 0 and 1, and the result is in the units of y. By default [0, 1] for integers that use a
            quarter of their type's range or more, and otherwise estimated from y. A network's image cannot leave the
            range.
        device: where to compute; by default a tensor's own device, else the GPU when there is one.
        dtype: dtype of the computation.
        callbacks: each is called with every `Iterate`, whose `place` says which image of a batch it is. One that
            returns a `Stop` ends the run of that image.
        record_every: number of steps between rows of the history; 0 for none.
        runs: number of independent runs of a prior that draws random numbers. The first takes `seed`, the others take
            seeds derived from it. x is then the mean, `deviation` the standard deviation and `members` the runs. A
            note warns when they disagree.
        checkpoint: a folder for the run's state, so that the same call resumes a killed run; removed when the run
            ends. Callbacks are not called again for earlier steps. A batch has a checkpoint for each image, and
            keeps the results of finished images.
        checkpoint_every: seconds between checkpoints, and before the first.
        memory_limit: memory that the run may take beyond what Python and its libraries hold, such as "4GB", or in
            bytes. A run that needs more uses bfloat16, recomputes layers or works in overlapping tiles, and a note
            names the change. Without a limit, a run that needs more than is free is refused.
        weight: the rule that chooses open weights: "sure", "filled", "gcv", "holdout", "discrepancy", "l-curve",
            "default", which keeps the priors' defaults, or "auto", which picks a rule that fits.
        progress: show a bar with the step, the energy and the time left, on a terminal or in a notebook; elsewhere a
            line every ten seconds.

    Raises:
        InvpriorError: an argument is wrong. Raised before any step; the message lists all faults of options.
        DivergedError: the run diverged; its `solution` is the best earlier iterate.
        Interrupted: Ctrl-C was pressed; its `solution` is the estimate so far.
    """
    check_steps(steps)
    check_seed(seed)
    # Together, so that one message lists every fault.
    problems, solver, rule, weight = all_of(
        lambda: build(
            y,
            operator=operator,
            prior=prior,
            fidelity=fidelity,
            noise=noise,
            nan=nan,
            data_range=data_range,
            device=device,
            dtype=dtype,
        ),
        lambda: solver_from(solver),
        lambda: None if stop is None else stop_from(stop),
        lambda: weight_rule_from(weight),
    )
    start = None if x0 is None else image_batch(x0, problems[0].y.device, dtype)
    if start is not None and len(start) not in (1, len(problems)):
        raise MeasurementError(
            f"x0 must hold one image, or {len(problems)}, one for each image of y; got {len(start)}."
        )
    # For all images before the first run, so that a fault of the last one costs no time.
    for problem in problems:
        ensemble.check(runs, problem)
    store = checkpoint_of(checkpoint, checkpoint_every)
    several = len(problems) > 1
    options = RunOptions(
        stop=rule,
        steps=steps,
        seed=seed,
        callbacks=callbacks,
        record_every=record_every,
        runs=runs,
        memory_limit=memory_limit,
        weight=weight,
        part=several,
    )
    done: list[Solution] = []
    for index, problem in enumerate(problems):
        own = replace(
            options,
            # Index 0 for all images if there is one estimate; the check above allows no third case.
            x0=None if start is None else start[index % len(start)][None],
            checkpoint=store.within(f"image-{index + 1}") if store and several else store,
            place=Place(image=index),
        )
        try:
            selection = select_solver(problem, solver)
            with _watched(selection, own) if progress else nullcontext(own) as shown:
                done.append(_solve(selection, shown))
        except (DivergedError, Interrupted) as error:
            if solved := [*done, *([error.solution] if error.solution else [])]:
                error.solution = batch(solved)  # keeps the finished images
            if store is not None and isinstance(error, DivergedError):
                store.remove()  # it would diverge again
            raise
    # Not before the last image: a killed batch finds the finished images here.
    if store is not None:
        store.remove()
    return batch(done)


@torch.inference_mode(False)  # the caller's mode would forbid gradients
def solve_problem(
    problem: Problem,
    solver: str | Spec | Solver | Selection = "auto",
    *,
    stop: StoppingRule | None = None,
    steps: int | None = None,
    x0: Tensor | None = None,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    record_every: int = 10,
    runs: int = 1,
    checkpoint: str | PathLike[str] | Checkpoint | None = None,
    checkpoint_every: float = 5.0,
    memory_limit: str | int | None = None,
    weight: str | Spec | WeightRule = "auto",
) -> Solution:
    """Run one problem until it stops; arguments and errors are those of `solve`."""
    check_steps(steps)
    ensemble.check(runs, problem)
    store = checkpoint_of(checkpoint, checkpoint_every)
    options = RunOptions(
        stop=stop,
        steps=steps,
        x0=x0,
        seed=seed,
        callbacks=callbacks,
        record_every=record_every,
        runs=runs,
        checkpoint=store,
        memory_limit=memory_limit,
        weight=weight,
    )
    try:
        solution = _solve(select_solver(problem, solver), options)
    except DivergedError:
        if store is not None:
            store.remove()  # it would diverge again
        raise
    if store is not None:
        store.remove()
    return solution


@suiting_the_load()
def _solve(selection: Selection, options: RunOptions) -> Solution:
    """Choose open weights, and run the problem by a plan that fits into memory."""
    units = selection.problem.units
    options = options_for_run(options, units)
    # The plan comes first, since it may change the prior whose weights are chosen.
    plan = plan_memory(selection, options.memory_limit)
    weighted = weighted_problem(selection, plan, options)
    final = selection.on(weighted)
    explicit = companion(final, options, _solve)
    options = shown(options, explicit, units)

    def once(own: RunOptions) -> Solution:
        try:
            if plan.tile is None:
                found = Run(final, own).solve()
            else:
                found = run_in_tiles(final, own, tile=plan.tile, overlap=plan.overlap)
            return unclipped(found, weighted)
        except (DivergedError, Interrupted) as error:
            error.solution = error.solution and unclipped(error.solution, weighted)
            raise

    def member(index: int, own_seed: int) -> Solution:
        own = options.checkpoint and options.checkpoint.within(f"run-{index + 1}")
        place = options.place._replace(run=index)
        return once(replace(options, seed=own_seed, checkpoint=own, part=True, place=place))

    def annotated(solution: Solution) -> Solution:
        found = solution_in_data_units(annotate(plan.annotate(solution), weighted), units)
        found = averaged(found, explicit)
        for term in selection.problem.in_data_units.prior.terms:
            if isinstance(term.functional, Proximable) and term.functional.projects:
                # A splitting solver meets a constraint in the limit only.
                found = replace(found, x=term.functional.prox(found.x, 1.0))
        given = selection.problem.in_data_units
        members = tuple(replace(member, signal=given.is_signal) for member in found.members)
        return replace(found, y=given.picture, signal=given.is_signal, members=members)

    try:
        if options.runs == 1:
            return annotated(once(options))
        return annotated(ensemble.repeat(member, weighted, options.seed, options.runs))
    except (DivergedError, Interrupted) as error:
        error.solution = error.solution and annotated(error.solution)
        raise


def _watched(selection: Selection, options: RunOptions) -> AbstractContextManager[RunOptions]:
    from invprior.runner.progress import watched  # imports rich, which few runs need

    return watched(selection, options)
