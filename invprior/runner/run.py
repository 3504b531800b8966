"""One run of one problem, from its first step, or its checkpoint, to its stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from invprior.builders.solver import check_compatible, select_solver
from invprior.checkpoint.checkpoint import Checkpoint, Kept, packed, put_back
from invprior.checkpoint.compatibility import compare, parts_hash
from invprior.errors import DivergedError, MeasurementError, OptionError
from invprior.explanation import choices
from invprior.numerics.random import derived_seed
from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Solution, Stop
from invprior.provenance import data_hash, provenance
from invprior.registry.options import plain_name
from invprior.registry.spec import Spec
from invprior.runner.history import Callback, Recorder
from invprior.runner.iteration import Run, whole_steps
from invprior.solvers.base import Solver
from invprior.stopping.base import StoppingRule


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during `solve`; `solution` holds what was done so far (None before the first step)."""

    def __init__(self, solution: Solution | None) -> None:
        super().__init__("interrupted")
        self.solution = solution


class Single:
    """A run with its stopping rule, its history and its checkpoint.

    Args:
        problem, solver, stop, x0, seed, callbacks, record_every: as for `solve_problem`.
        checkpoint: where the state is kept, or None.
        part: whether it is one of several runs: its result is then kept in place of its state, for the others may
            take long.

    Raises:
        InvpriorError: what does not fit, before any step.
    """

    def __init__(
        self,
        problem: Problem,
        solver: str | Spec | Solver,
        *,
        stop: StoppingRule | None,
        x0: Tensor | None,
        seed: int,
        callbacks: Sequence[Callback],
        record_every: int,
        checkpoint: Checkpoint | None = None,
        part: bool = False,
    ) -> None:
        made, _ = select_solver(problem, solver)
        self.own_stop = made.default_stop(problem) if stop is None else None
        rule = stop or self.own_stop
        assert rule is not None
        # A stream of its own: the measurement's noise may have been drawn from the same seed.
        generator = torch.Generator().manual_seed(derived_seed(seed, "stop"))
        problem = rule.prepare(problem, generator)
        # What is left open is filled in for the problem that is fitted.
        self.solver, self.why = select_solver(problem, solver)
        self.objective = check_compatible(problem, self.solver)
        self.x0, self.seed, self.callbacks = x0, seed, callbacks
        self.watch = rule.start(problem)
        self.recorder = Recorder(record_every) if record_every else None
        self.record = provenance(problem, self.solver, self.why, rule, seed)
        self.checkpoint, self.part = checkpoint, part
        self.about: Mapping[str, Any] = {
            **self.record,
            "solver_name": plain_name(type(self.solver)),
            "initial_estimate": None if x0 is None else data_hash(x0),
            "parts_sha256": parts_hash(problem),
            "device_type": problem.y.device.type,
        }

    def solve(self) -> Solution:
        """Run to the stop; errors as for `solve`."""
        kept = None if self.checkpoint is None else self.checkpoint.load()
        changes = self._compared(kept)
        if kept is not None and kept.finished:
            done: Solution = self._back(kept, None)
            return done
        try:
            run = Run(self.objective, self.solver, self.x0, self.seed)
        except KeyboardInterrupt:
            raise Interrupted(None) from None
        self._begin(run, kept)
        noise = self.objective.problem.noise
        doubts = () if noise is None or noise.note is None else (noise.note,)
        for note in (*changes, *doubts):
            run.note(note)
        try:
            return self._finish(run, *self._steps(run))
        except DivergedError as error:
            if self.checkpoint is not None:
                self.checkpoint.remove()
            if error.solution is not None:
                best = error.solution
                error.solution = self._solution(run, best.x, best.stop)
            raise

    def _compared(self, kept: Kept | None) -> tuple[str, ...]:
        if kept is None or self.checkpoint is None:
            return ()
        return compare(kept.about, self.about, self.checkpoint.folder)

    def _begin(self, run: Run, kept: Kept | None) -> None:
        """Go on from what was kept; without it, see that the state can be kept."""
        if kept is not None:
            self._resume(run, self._back(kept, self._state(run)))
        elif self.checkpoint is not None:
            try:
                packed(self._state(run), self.about)
            except OptionError as error:
                if self.checkpoint.strict:
                    raise
                run.note(f"this run has no checkpoint: {str(error).rstrip('.')}")
                self.checkpoint = None

    def _steps(self, run: Run) -> tuple[Iterate, Stop]:
        """Step until the rule ends it."""
        whole, end = True, None
        try:
            while True:
                whole = False
                with whole_steps() if self.checkpoint is not None else nullcontext():
                    now = run.advance()
                    if self.recorder is not None:
                        self.recorder(now)
                    end = self.watch(now)
                    if end is not None and end.refit is not None:
                        run.refit(end.refit)
                        end = None
                    if self.checkpoint is not None and end is None and self.checkpoint.is_due():
                        self._save(run)
                    whole = True
                for callback in self.callbacks:
                    callback(now)
                if end is not None:
                    run.monitor.look(now)
                    return now, end
        except KeyboardInterrupt:
            if run.step == 0:
                raise Interrupted(None) from None
            if whole and end is None:  # what was interrupted within a step is half-changed
                self._save(run)
            message = f"interrupted after {run.step} steps; this is the estimate so far"
            stop = Stop("interrupted", False, message)
            raise Interrupted(self._solution(run, run.state.x, stop)) from None

    def _finish(self, run: Run, now: Iterate, end: Stop) -> Solution:
        solution = self._solution(run, now.x if end.x is None else end.x, end, now.seconds)
        if self.checkpoint is not None and self.part:
            self._write(run, solution, finished=True)
        elif self.checkpoint is not None:
            self.checkpoint.remove()
        return solution

    def _solution(self, run: Run, x: Tensor, stop: Stop, seconds: float | None = None) -> Solution:
        return Solution(
            x.detach(),
            stop,
            run.step,
            run.seconds if seconds is None else seconds,
            self.recorder.rows if self.recorder else (),
            self.record,
            notes=run.notes,
            choices=choices(
                self.objective.problem, self.solver, self.why, run.state, self.own_stop
            ),
        )

    def _state(self, run: Run) -> dict[str, Any]:
        rows = self.recorder.rows if self.recorder else ()
        return {**run.kept(), "watch": self.watch, "rows": rows}

    def _resume(self, run: Run, state: dict[str, Any]) -> None:
        run.resume(state)
        self.watch = state["watch"]
        if self.recorder is not None:
            self.recorder.resume(state["rows"])

    def _back(self, kept: Kept, fresh: Any) -> Any:
        assert self.checkpoint is not None
        device = self.objective.problem.y.device
        return put_back(kept, fresh, device, self.checkpoint.folder)

    def _save(self, run: Run) -> None:
        if self.checkpoint is not None:
            self._write(run, self._state(run))

    def _write(self, run: Run, value: Any, *, finished: bool = False) -> None:
        """Write the checkpoint; a full disk is no reason to end a run."""
        assert self.checkpoint is not None
        try:
            self.checkpoint.save(value, self.about, finished=finished)
        except MeasurementError as error:
            run.note(f"no checkpoint: {str(error).rstrip('.')}")
            self.checkpoint.delay()
