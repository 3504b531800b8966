"""One run of `invprior solve`, checked completely before its first step."""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager, chdir, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Group
from torch import Tensor

import invprior
from invprior.builders.solver import Selection, select_solver
from invprior.cli import movie
from invprior.cli.console import err
from invprior.cli.file_list import stem, title
from invprior.cli.inputs import Inputs, Parts, parts_of, problem_of, read
from invprior.cli.movie import Movie
from invprior.cli.outputs import Outputs, Place, settle
from invprior.cli.result_images import save_comparison, save_deviation, save_measurements
from invprior.cli.run_facts import resume_command
from invprior.cli.run_folder import RunFolder
from invprior.cli.run_record import ScoredHistory, record_of
from invprior.cli.solve_options import Options
from invprior.cli.summary import summary
from invprior.cli.weight_curve import check_curve, weight_curve
from invprior.io import files, images, strict_json
from invprior.io.losses import held_in, losses
from invprior.io.save import save
from invprior.metrics.base import Range
from invprior.metrics.base import score_range as range_of
from invprior.problem.problem import Problem
from invprior.problem.solution import DivergedError, Interrupted, Solution
from invprior.runner import ensemble
from invprior.runner.api import solve_problem
from invprior.runner.history import Callback
from invprior.runner.options import RunOptions
from invprior.runner.progress import Live
from invprior.stopping.base import StoppingRule
from invprior.tuning.search import is_tuned


@dataclass(frozen=True)
class Session:
    """A checked problem and the places of its results.

    Attributes:
        selection: the problem and its solver.
        folder: what the run keeps on disk until it ends; it also names the result files.
    """

    selection: Selection
    parts: Parts
    options: Options
    inputs: Inputs
    folder: RunFolder
    movie: Movie | None = None

    @staticmethod
    def prepare(
        options: Options,
        command: list[str],
        *,
        given: images.Image | None = None,
        true: images.Image | None = None,
        place: Place | Outputs | None = None,
        run: str | None = None,
    ) -> Session:
        """Read and check everything.

        Args:
            options: of the command.
            command: the command line, for the record.
            given: the image, if it has been read.
            true: the true image, if it has been read.
            place: where the results go, instead of the options' place. Outputs are taken as they are, unchecked.
            run: the identity of the run that this one is part of.

        Raises:
            InvpriorError: something is wrong; reports all faults that are visible together. Nothing has
                been written or computed.
        """
        parts, inputs = read(options, given, true)
        for note in inputs.like.notes:
            logging.getLogger("invprior").warning("%s", note.rstrip("."))
        problem = problem_of(options, parts, inputs)
        selection = _checked(problem, parts, options)
        if isinstance(place, Outputs):
            folder = RunFolder(place, options, inputs, command, run)
            return Session(selection, parts, options, inputs, folder)
        like = inputs.like
        if problem.y.is_complex():  # as the restoration is, whatever its source was
            like = replace(like, depth=str(problem.y.dtype).removeprefix("torch."))
        outputs = settle(
            place or options.output,
            title(options, stem(options.image)),
            like,
            channels=problem.operator.image_shape[0],
            rows=problem.operator.image_shape[-2],
            simulated=options.simulated,
            several=options.runs > 1,
            curve=options.weight_curve,
            overwrite=options.overwrite,
            numbers=problem.picture is None or problem.y.is_complex(),
        )
        if options.movie is not None:
            movie.check(options.movie, overwrite=options.overwrite)
        RunFolder.check(outputs, options)
        folder = RunFolder(outputs, options, inputs, command, run)
        return Session(selection, parts, options, inputs, folder, filmed(options))

    @staticmethod
    def resume(place: Path, steps: int | None) -> Session:
        """Take up an unfinished run.

        Args:
            place: the folder of its checkpoint, or of its results.
            steps: another maximum number of iterations, or None.

        Raises:
            InvpriorError: there is no such run, or it no longer fits its files.
        """
        folder = RunFolder.find(place)
        if steps is not None:
            folder.with_steps(steps)
        with directory(folder.directory):  # options may name files relative to it, such as a mask
            parts = parts_of(folder.options)
            inputs = folder.inputs.to(parts.device)
            problem = problem_of(folder.options, parts, inputs)
            selection = _checked(problem, parts, folder.options)
        return Session(selection, parts, folder.options, inputs, folder, filmed(folder.options))

    @property
    def outputs(self) -> Outputs:
        """Where the results go."""
        return self.folder.outputs

    @property
    def kept(self) -> Path | None:
        """The folder in which the run can be resumed, if it has begun."""
        return self.folder.kept

    @property
    def problem(self) -> Problem:
        """The problem as the user stated it, in the units of the data."""
        return self.selection.problem.in_data_units

    @property
    def stop(self) -> StoppingRule:
        """The rule that will end the run: the solver's default where none is given."""
        own = RunOptions(stop=self.parts.stop, steps=self.options.steps)
        return own.rule(self.selection.solver, self.selection.problem)

    def run(self, *, quiet: bool) -> Solution:
        """Solve; an interrupted or diverged run returns its best estimate so far, with a `stop` of that name."""
        scored = ScoredHistory(self.inputs.truth, self.score_range)
        with Live(self.stop, self.inputs.truth, self.score_range, quiet, err) as live:
            if is_tuned(self.problem, self.parts.weight):
                live.say("choosing the weight")
            try:
                # Parts may read their files only now.
                with directory(self.folder.directory):
                    return scored.added_to(self._solved(live, scored, *filter(None, [self.movie])))
            except Interrupted as interrupt:
                if interrupt.solution is None:  # before the first step: nothing to write
                    raise
                solution = scored.added_to(interrupt.solution)
                if not self.folder.begun:  # no checkpoint, so nothing to resume
                    return solution
                message = (
                    f"{solution.stop.message}. Resume with: {resume_command(self.folder.path)}"
                )
                return replace(solution, stop=replace(solution.stop, message=message))
            except DivergedError as error:
                if error.solution is None:
                    raise
                message = f"{error} The best iterate before that is written"
                solution = scored.added_to(error.solution)
                return replace(solution, stop=invprior.Stop("diverged", False, message))

    def _solved(self, *callbacks: Callback) -> Solution:
        return solve_problem(
            self.problem,
            self.selection,
            stop=self.parts.stop,
            steps=self.options.steps,
            seed=self.options.seed,
            runs=self.options.runs,
            callbacks=callbacks,
            checkpoint=self.folder.checkpoint if self.options.checkpoint else None,
            memory_limit=self.options.memory_limit,
            weight=self.parts.weight,
        )

    def naive(self) -> tuple[str, Tensor]:
        """Return a name and the estimate without a prior, which the restoration is compared with.

        It is the measurement, or its damped pseudo-inverse where that is no picture of the image's size.
        """
        y = self.problem.picture
        if y is not None and tuple(y.shape[1:]) == self.problem.operator.image_shape:
            return "measurement", y
        return "pseudo-inverse", self.problem.pseudo_inverse()

    def write(self, solution: Solution) -> dict[str, Any]:
        """Write the result files, the restoration first and each atomically; return the record."""
        to = self.folder.begin_writing()
        writing = self.folder.writing
        like, truth, y = self.inputs.like, self.inputs.truth, self.problem.y
        with writing(to.restoration) as overwrite:
            save(
                to.restoration, held_in(to.restoration, solution.x), like=like, overwrite=overwrite
            )
        if to.measurement is not None:
            with writing(to.measurement) as overwrite:
                save_measurements(to.measurement, [y], signal=like.is_signal, overwrite=overwrite)
        with writing(to.comparison) as overwrite:
            operator = self.problem.operator
            save_comparison(to.comparison, y, solution.x, truth, operator, overwrite=overwrite)
        if to.deviation is not None and solution.deviation is not None:
            with writing(to.deviation) as overwrite:
                save_deviation(to.deviation, solution.deviation, overwrite=overwrite)
        if to.curve is not None and solution.weights is not None:
            with writing(to.curve) as overwrite:
                weight_curve(to.curve, solution.weights, overwrite=overwrite)
        for note in losses(to.restoration, solution.x, self.inputs.like):
            logging.getLogger("invprior").warning("%s", note)
            solution = replace(solution, notes=(*solution.notes, note))
        record = self.record(solution) | {"files": to.named}
        with writing(to.record) as overwrite, files.atomic(to.record, overwrite=overwrite) as file:
            file.write(strict_json.dumps(record, indent=2).encode())
        if self.movie is not None:  # last: the results are there if it cannot be written
            with directory(self.folder.directory):
                self.movie.write(self.problem.picture, solution.x, overwrite=self.options.overwrite)
            record["files"] |= {"movie": self.movie.path}
        # An interrupted run can be resumed.
        self.folder.end_writing(interrupted=solution.stop.name == "interrupted")
        return record

    def record(self, solution: Solution) -> dict[str, Any]:
        """Return what the record says beside the names of the files."""
        return record_of(
            solution, self.folder, self.parts, self.inputs, self.naive, self.score_range
        )

    def table(self, record: dict[str, Any]) -> Group:
        """Return the summary for the terminal."""
        return summary(record, self.problem.noise_level, self.problem.noise)

    @property
    def score_range(self) -> Range | None:
        """The intensities that scores count as black and white; None without a truth."""
        found, truth = self.problem.data_range, self.inputs.truth
        given = None if found is None or found.source else (found.low, found.high)
        return None if truth is None else range_of(truth, given)


def _checked(problem: Problem, parts: Parts, options: Options) -> Selection:
    """Select the solver; check that runs and plot fit the problem too."""
    selection = select_solver(problem, parts.solver)
    ensemble.check(options.runs, problem)
    if options.weight_curve:
        check_curve(problem, parts.weight)
    return selection


def filmed(options: Options) -> Movie | None:
    """Return what films the run, if it is wanted."""
    return None if options.movie is None else Movie(options.movie)


def directory(name: str) -> AbstractContextManager[object]:
    """Work in the folder where the run began, if it still exists."""
    return chdir(name) if os.path.isdir(name) else nullcontext()  # noqa: PTH112
