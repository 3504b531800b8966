"""The loop: `iterate`, open to research code, and `solve`, which runs it to a stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from invprior import registry
from invprior.building import (
    Picture,
    all_of,
    build,
    check_seed,
    picture,
    solver_from,
    stop_from,
)
from invprior.callbacks import Callback, Recorder
from invprior.errors import DivergedError, IncompatibleError, MeasurementError, OptionError
from invprior.fidelities.base import Fidelity
from invprior.functionals import Functional, Prior
from invprior.guard import Guard
from invprior.noises.base import Noise
from invprior.operators.base import Operator, Recipe
from invprior.problem import Objective, Problem
from invprior.provenance import provenance
from invprior.solution import Iterate, Solution, Stop, batch
from invprior.solvers.base import Solver
from invprior.spec import RuleSpec, Spec
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import MaxSteps


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during `solve`; `solution` holds what was done so far (None before the first step)."""

    def __init__(self, solution: Solution | None) -> None:
        super().__init__("interrupted")
        self.solution = solution


def iterate(
    problem: Problem, solver: Solver | str = "auto", *, x0: Tensor | None = None, seed: int = 0
) -> Iterator[Iterate]:
    """Run a solver step by step, for ever: the caller's loop decides when to stop.

    Args:
        problem: the problem, see `invprior.build`.
        solver: a solver or its spec.
        x0: where to begin, (1, C, H, W); a damped pseudo-inverse of the measurement when absent.
        seed: of every random number in the run.

    Raises:
        IncompatibleError: the solver does not fit the problem; before any step, with the solvers
            that do.
        DivergedError: an iterate became non-finite or exploded.
    """
    solver, _ = chosen(problem, solver)
    objective = route_or_explain(problem, solver)
    return _iterates(objective, solver, x0, seed, Guard(objective))


def _iterates(
    objective: Objective, solver: Solver, x0: Tensor | None, seed: int, guard: Guard
) -> Iterator[Iterate]:
    problem = objective.problem
    expected = (1, *problem.operator.image_shape)
    if x0 is not None and tuple(x0.shape) != expected:
        raise MeasurementError(
            f"The first guess x0 must have the shape {expected}; got {tuple(x0.shape)}."
        )
    began = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    start = problem.first_guess() if x0 is None else x0.detach().to(problem.y)
    with torch.enable_grad():  # also where the caller has switched gradients off
        state = solver.init(objective, start, generator)
    guard.kept.append(state.x)
    notes: tuple[str, ...] = ()
    for step in range(1, 2**62):
        previous = state.x
        with torch.enable_grad():
            state = solver.step(objective, state)
        for (
            note
        ) in state.notes:  # a solver that makes a new state at each step may forget its notes
            if note not in notes:
                notes = (*notes, note)
                logging.getLogger("invprior").warning("%s", note)
        seconds = time.perf_counter() - began
        now = Iterate(step, state.x, objective, seconds, previous, state.energy, notes)
        guard(now, state)
        yield now


def solve(
    y: Picture,
    *,
    operator: str | Spec | Recipe | Operator = "denoise",
    prior: str | Spec | Sequence[Spec] | Functional | Prior = "dip",
    fidelity: str | Spec | Fidelity | None = None,
    noise: str | Spec | Noise | None = None,
    solver: str | Spec | Solver = "auto",
    stop: str | Spec | RuleSpec | StoppingRule | None = None,
    steps: int | None = None,
    x0: Picture | None = None,
    seed: int = 0,
    nan: Literal["refuse", "mask"] = "refuse",
    device: str | torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    callbacks: Sequence[Callback] = (),
    record_every: int = 10,
) -> Solution:
    """Restore a picture: minimise E(A x; y) + R(x).

    Every part is a spec ("tv:weight=8"), or an object of a class of invprior's or of your own.

    Args:
        y: the measurement: a tensor (H, W), (C, H, W) or (B, C, H, W), an array (H, W) or (H, W,
            C), or a file. Intensities in [0, 1]; integer arrays and files are scaled to it.
            Pictures of a batch are solved one by one.
        operator: the forward operator A.
        prior: R, a sum of weighted terms; "dip" sets x = f_theta(z).
        fidelity: E; the noise's log-likelihood when absent.
        noise: what is known of the noise, "gaussian:sigma=0.1"; estimated from y when absent.
        solver: how to minimise; "auto" picks one that fits.
        stop: when to stop; the solver's or the prior's own rule when absent.
        steps: stop after so many iterations at the latest.
        x0: where to begin; a damped pseudo-inverse of y when absent. A network begins at random
            weights.
        seed: of every random number in the run; the same seed gives the same bits on the CPU.
        nan: "refuse" a measurement with NaN or infinity, or "mask" these entries out of the fit.
        device: where to compute; a tensor's own device, else the GPU when there is one.
        dtype: of every computation.
        callbacks: each is called with every `Iterate`.
        record_every: write a row of the history every so many steps; 0 for none.

    Raises:
        InvpriorError: bad input, before any step; all option faults at once.
        DivergedError: the run exploded; its `solution` is the best iterate before.
        Interrupted: on Ctrl-C; its `solution` is the estimate so far.
    """
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise OptionError(f'The option "steps" must be a whole number >= 1; got {steps!r}.')
    check_seed(seed)
    problems, solver, rule = all_of(
        lambda: build(
            y,
            operator=operator,
            prior=prior,
            fidelity=fidelity,
            noise=noise,
            nan=nan,
            device=device,
            dtype=dtype,
        ),
        lambda: solver_from(solver),
        lambda: None if stop is None else stop_from(stop),
    )
    if steps is not None:
        rule = MaxSteps(steps=steps) if rule is None else rule | MaxSteps(steps=steps)
    guess = None if x0 is None else picture(x0, problems[0].y.device, dtype)
    if guess is not None and len(guess) not in (1, len(problems)):
        raise MeasurementError(
            f"x0 must hold one picture or {len(problems)}, one for each of y; got {len(guess)}."
        )
    done: list[Solution] = []
    for index, problem in enumerate(problems):
        first = None if guess is None else guess[index % len(guess)][None]
        try:
            done.append(
                solve_problem(
                    problem,
                    solver,
                    stop=rule,
                    x0=first,
                    seed=seed,
                    callbacks=callbacks,
                    record_every=record_every,
                )
            )
        except (DivergedError, Interrupted) as error:
            if kept := [*done, *([error.solution] if error.solution else [])]:
                error.solution = batch(kept)  # the pictures before it are not lost
            raise
    return batch(done)


def solve_problem(
    problem: Problem,
    solver: str | Spec | Solver = "auto",
    *,
    stop: StoppingRule | None = None,
    x0: Tensor | None = None,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    record_every: int = 10,
) -> Solution:
    """Run one problem to its stop; arguments and errors as for `solve`."""
    solver, why = chosen(problem, solver)
    rule = stop or solver.default_stop(problem)
    problem = rule.prepare(problem, torch.Generator().manual_seed(seed))
    objective = route_or_explain(problem, solver)
    watch, guard = rule.start(problem), Guard(objective)
    recorder = Recorder(record_every) if record_every else None
    watchers: list[Callback] = [*([recorder] if recorder else []), *callbacks]
    record = provenance(problem, solver, why, rule, seed)

    def solution(x: Tensor, stop: Stop, steps: int, seconds: float) -> Solution:
        return Solution(
            x.detach(),
            stop,
            steps,
            seconds,
            recorder.rows if recorder else (),
            record,
            notes=now.notes if now is not None else (),
        )

    now: Iterate | None = None
    try:
        for now in _iterates(objective, solver, x0, seed, guard):
            for watcher in watchers:
                watcher(now)
            end = watch(now)
            if end is not None:
                guard.look(now)
                return solution(now.x if end.x is None else end.x, end, now.step, now.seconds)
    except KeyboardInterrupt:
        if now is None:
            raise Interrupted(None) from None
        end = Stop(
            "interrupted", False, f"interrupted after {now.step} steps; this is the estimate so far"
        )
        raise Interrupted(solution(now.x, end, now.step, now.seconds)) from None
    except DivergedError as error:
        if error.solution is not None:
            kept = error.solution
            error.solution = solution(kept.x, kept.stop, kept.steps, kept.seconds)
        raise
    raise AssertionError("iterates never end by themselves")


def chosen(problem: Problem, solver: str | Spec | Solver) -> tuple[Solver, str]:
    """Make the solver and let `auto` choose; the text says why."""
    return solver_from(solver).choose(problem)


def route_or_explain(problem: Problem, solver: Solver) -> Objective:
    """Route the problem; a refusal names the solvers that do fit."""
    try:
        return solver.route(problem)
    except IncompatibleError as error:
        fitting = {
            e.name: made for e in registry.entries("solvers") if (made := _fitting(e, problem))
        }
        if not fitting or type(solver) in map(type, fitting.values()):
            raise  # what the solver was given is at fault, not the solver
        *first, last = fitting
        raise IncompatibleError(
            f"{error} Use {', '.join(first)}{' or ' * bool(first)}{last}."
        ) from None


def _fitting(entry: registry.Entry, problem: Problem) -> Solver | None:
    """Make one of invprior's own solvers when it fits the problem."""
    if entry.package != registry.CORE or entry.name == "auto":
        return None
    made: Solver = registry.create("solvers", entry.name)
    try:
        made.route(problem)
    except IncompatibleError:
        return None
    return made
