"""One run of one problem, from its first step or its checkpoint until it stops."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from invprior.builders.solver import Selection
from invprior.checkpoint.checkpoint import Kept
from invprior.checkpoint.compatibility import compare, identity
from invprior.checkpoint.state import misfit, packed, put_back
from invprior.errors import InvpriorError, MeasurementError, OptionError
from invprior.numerics.random import derived_seed
from invprior.problem.solution import DivergedError, Interrupted, Iterate, Solution, Stop
from invprior.provenance import choices, provenance
from invprior.runner.history import Recorder
from invprior.runner.iteration import Iteration, whole_steps
from invprior.runner.options import RunOptions
from invprior.runner.units import range_note, scale_notes


class Run:
    """One run of one problem, with its stopping rule, its history and its checkpoint.

    Args:
        selection: the problem and its solver.
        options: the options; those about several runs, memory and weights are not used here.

    It starts from the end of the search for its weights, if that solved the same problem.

    Raises:
        InvpriorError: the parts do not fit together.
    """

    def __init__(self, selection: Selection, options: RunOptions) -> None:
        problem, seed = selection.problem, options.seed
        rule = options.rule(selection.solver, problem)
        # A separate stream: the user may have drawn the measurement's noise from the same seed, and the rule
        # self-reference then took that noise for a second, independent one.
        generator = torch.Generator().manual_seed(derived_seed(seed, "stop"))
        # The rule first, as it may hold data out or change the fidelity; the solver is completed for the result.
        fitted = selection.on(rule.prepare(problem, generator))
        # Not where the rule has changed the problem: the search has seen what it holds out.
        usable = options.x0 is None and fitted.problem is problem
        self.handover = problem.handover if usable else None
        self.own_stop = rule if options.stop is None else None
        self.options = options
        self.solver, self.why, self.objective = fitted.solver, fitted.why, fitted.objective
        self.watch = rule.start(fitted.problem)
        self.recorder = Recorder(options.record_every) if options.record_every else None
        self.record = provenance(fitted.problem, self.solver, self.why, rule, seed)
        self.checkpoint = options.checkpoint
        self.about: Mapping[str, Any] = {}
        if self.checkpoint is not None:
            self.about = identity(self.record, fitted.problem, self.solver, options.x0)

    def solve(self) -> Solution:
        """Run until the rule stops it; errors are those of `solve`."""
        kept = None if self.checkpoint is None else self.checkpoint.load()
        changes = self._compared(kept)
        # The result by another stopping rule is not this run's, and nothing is left of the state behind it.
        if kept is not None and kept.finished and kept.about["stop"] != self.about["stop"]:
            kept = None
        if kept is not None and kept.finished and self.checkpoint is not None:
            done = self._back(kept, None)
            if isinstance(done, Solution):
                return done
            raise misfit(self.checkpoint.folder, TypeError("it is no result"))
        try:
            own = self.options
            run = Iteration(self.objective, self.solver, own.x0, own.seed, own.place, self.handover)
        except KeyboardInterrupt:
            raise Interrupted(None) from None
        self._begin(run, kept)
        problem = self.objective.problem
        noise = problem.in_data_units.noise
        doubts = () if noise is None or noise.note is None else (noise.note,)
        for note in (*changes, *problem.operator.notes, *doubts, *scale_notes(problem)):
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
        """Refuse the checkpoint of another run; return what else has changed since it was written."""
        if kept is None or self.checkpoint is None:
            return ()
        return compare(kept.about, self.about, self.checkpoint.folder)

    def _begin(self, run: Iteration, kept: Kept | None) -> None:
        """Resume from a checkpoint; without one, check that the state can be saved."""
        if kept is not None and self.checkpoint is not None:
            state = self._back(kept, self._state(run))
            try:
                self._resume(run, state)
            except InvpriorError:
                raise
            except Exception as fault:  # values of other types, in a file that somebody made
                raise misfit(self.checkpoint.folder, fault) from None
        elif self.checkpoint is not None:
            try:  # before the first step, so that a state that cannot be saved is known at once
                packed(self._state(run), self.about)
            except OptionError as error:
                if self.checkpoint.strict:
                    raise
                run.note(f"this run has no checkpoint: {str(error).rstrip('.')}")
                self.checkpoint = None

    def _steps(self, run: Iteration) -> tuple[Iterate, Stop]:
        """Step until the rule stops the run; return the last iterate and the stop."""
        whole, end = True, None
        try:
            while True:
                whole = False
                # The checkpoint is part of the block, so that Ctrl-C interrupts neither a step nor its saving.
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
                for callback in self.options.callbacks:
                    asked = callback(now)
                    if end is None and isinstance(asked, Stop):
                        end = asked
                if end is not None:
                    doubt = run.monitor.judge(now, now.x if end.x is None else end.x)
                    if doubt is not None and end.ok:  # a run that was cut short says so itself
                        run.note(doubt)
                    return now, end
        except KeyboardInterrupt:
            if run.step == 0:
                raise Interrupted(None) from None
            if whole and end is None:  # a state interrupted within a step is inconsistent
                self._save(run)
            message = f"interrupted after {run.step} steps; this is the estimate so far"
            stop = Stop("interrupted", False, message)
            raise Interrupted(self._solution(run, run.state.x, stop)) from None

    def _finish(self, run: Iteration, now: Iterate, end: Stop) -> Solution:
        x = now.x if end.x is None else end.x
        if (note := range_note(self.objective.problem, x)) is not None:
            run.note(note)
        solution = self._solution(run, x, end, now.seconds)
        # One of several runs keeps its result until the others are done.
        if self.checkpoint is not None and self.options.part:
            self._write(run, solution, finished=True)
        elif self.checkpoint is not None:
            self.checkpoint.remove()
        return solution

    def _solution(
        self, run: Iteration, x: Tensor, stop: Stop, seconds: float | None = None
    ) -> Solution:
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

    def _state(self, run: Iteration) -> dict[str, Any]:
        rows = self.recorder.rows if self.recorder else ()
        return {**run.kept(), "watch": self.watch, "rows": rows}

    def _resume(self, run: Iteration, state: dict[str, Any]) -> None:
        run.resume(state)
        limit = self.options.steps
        if limit is not None and limit < run.step:
            raise OptionError(
                f'The option "steps" (--steps) must be at least {run.step}, the steps that the unfinished run has '
                f"taken; got {limit}. Raise it, or start over."
            )
        self.watch = state["watch"]
        if self.recorder is not None:
            self.recorder.resume(state["rows"])

    def _back(self, kept: Kept, fresh: Any) -> Any:
        assert self.checkpoint is not None
        device = self.objective.problem.y.device
        return put_back(kept.tensors, kept.tree, fresh, device, self.checkpoint.folder)

    def _save(self, run: Iteration) -> None:
        if self.checkpoint is not None:
            self._write(run, self._state(run))

    def _write(self, run: Iteration, value: Any, *, finished: bool = False) -> None:
        """Write the checkpoint; a full disk becomes a note and does not end the run."""
        assert self.checkpoint is not None
        try:
            self.checkpoint.save(value, self.about, finished=finished)
        except MeasurementError as error:
            run.note(f"no checkpoint: {str(error).rstrip('.')}")
            self.checkpoint.delay()
