"""One run of `invprior solve`: everything is checked before the first step."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, chdir, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Group
from torch import Tensor

import invprior
from invprior import registry
from invprior.builders.solver import check_compatible, select_solver
from invprior.cli.inputs import Inputs, Options, Parts, parts_of, problem_of, read
from invprior.cli.outputs import Outputs, settle, to_json
from invprior.cli.progress import Live
from invprior.cli.run_folder import RunFolder, resume_command
from invprior.cli.summary import score, summary
from invprior.cli.weight_curve import check_curve, weight_curve
from invprior.errors import DivergedError
from invprior.io import files, images, samples
from invprior.io.montage import side_by_side
from invprior.problem.problem import Problem
from invprior.problem.solution import Solution
from invprior.registry.spec import parse_sum
from invprior.runner import ensemble as repeats
from invprior.runner.api import Interrupted, solve_problem
from invprior.stopping.base import StoppingRule
from invprior.tuning.search import is_tuned


@dataclass(frozen=True)
class Session:
    """A checked problem, and where its results go.

    Attributes:
        keeper: the folder that the run keeps while it goes on; also names the results' places.
    """

    problem: Problem
    parts: Parts
    stop: StoppingRule
    options: Options
    inputs: Inputs
    keeper: RunFolder

    @staticmethod
    def prepare(options: Options, command: list[str]) -> Session:
        """Read and check everything.

        Raises:
            InvpriorError: whatever is wrong, all faults that can be seen at once; nothing has been
                written or computed.
        """
        parts, inputs = read(options)
        problem = problem_of(options, parts, inputs)
        rule = _checked(problem, parts, options)
        outputs = settle(
            None if options.output is None else Path(options.output),
            "-".join([_stem(options.image), _names(options.operator), _names(options.prior)]),
            inputs.like,
            channels=problem.operator.image_shape[0],
            simulated=options.simulated,
            several=options.runs > 1,
            curve=options.weight_curve,
            overwrite=options.overwrite,
        )
        if options.checkpoint:
            RunFolder.check(outputs, options.overwrite)
        keeper = RunFolder(outputs, options, inputs, command)
        return Session(problem, parts, rule, options, inputs, keeper)

    @staticmethod
    def resume(place: Path, steps: int | None) -> Session:
        """Take up a run that was cut off.

        Args:
            place: the folder of its checkpoint, or of its results.
            steps: another limit of iterations, or None.

        Raises:
            InvpriorError: there is nothing to go on with, or it does not fit any more.
        """
        keeper = RunFolder.find(place)
        keeper.check_results()
        if steps is not None:
            keeper.with_steps(steps)
        with _directory(keeper.directory):  # files that an option names, such as a mask
            parts = parts_of(keeper.options)
            inputs = keeper.inputs.to(parts.device)
            problem = problem_of(keeper.options, parts, inputs)
            rule = _checked(problem, parts, keeper.options)
        return Session(problem, parts, rule, keeper.options, inputs, keeper)

    def run(self, *, quiet: bool) -> Solution:
        """Solve; an interrupted or diverged run gives the best so far, its `stop` says so."""
        with Live(self.stop, self.inputs.truth, quiet) as live:
            if is_tuned(self.problem, self.parts.weight):
                live.say("choosing the weight")
            try:
                return solve_problem(
                    self.problem,
                    self.parts.solver,
                    stop=self.parts.stop,
                    seed=self.options.seed,
                    runs=self.options.runs,
                    callbacks=[live],
                    checkpoint=self.keeper.checkpoint if self.options.checkpoint else None,
                    memory_limit=self.options.memory_limit,
                    weight=self.parts.weight,
                )
            except Interrupted as interrupt:
                if interrupt.solution is None:
                    raise
                solution = interrupt.solution
                if not self.keeper.begun:
                    return solution
                message = (
                    f"{solution.stop.message}. Go on with: {resume_command(self.keeper.folder)}"
                )
                return replace(solution, stop=replace(solution.stop, message=message))
            except DivergedError as error:
                if error.solution is None:
                    raise
                message = f"{error} The best iterate before is written"
                return replace(error.solution, stop=invprior.Stop("diverged", False, message))

    def naive(self) -> tuple[str, Tensor]:
        """What one has without a prior: the measurement, or its damped pseudo-inverse when sizes differ."""
        y = self.problem.y
        if tuple(y.shape[1:]) == self.problem.operator.image_shape:
            return "measurement", y
        return "pseudo-inverse", self.problem.pseudo_inverse()

    def write(self, solution: Solution) -> dict[str, Any]:
        """Write the files, each whole or not at all, the restoration first; return the record."""
        to = self.keeper.begin_writing()
        overwrite = self.options.overwrite or self.keeper.writing
        self._write_images(to, solution, overwrite)
        noise = self.parts.noise if self.options.simulated else None
        record = {
            "invprior": invprior.__version__,
            "command": self.keeper.command,
            "image": self.options.image,
            "simulated_noise": None if noise is None else str(registry.describe(noise.filled_in())),
            "stop": _stop(solution),
            "notes": solution.notes,
            "choices": solution.choices,
            "steps": solution.steps,
            "seconds": solution.seconds,
            "tuning_seconds": solution.tuning_seconds,
            "scores": self._scores(solution.x),
            "runs": self._runs(solution),
            "deviation": _spread(solution),
            "files": {"restoration": to.restoration, "measurement": to.measurement, "comparison": to.comparison,
                      **{name: path for name, path in (("deviation", to.deviation), ("curve", to.curve)) if path},
                      "record": to.record},
            "provenance": solution.provenance,
            "history": solution.history,
        }  # fmt: skip
        with files.atomic(to.record, overwrite=overwrite) as file:
            file.write(to_json(record).encode())
        if solution.stop.name != "interrupted":
            self.keeper.discard()
        return record

    def _write_images(self, to: Outputs, solution: Solution, overwrite: bool) -> None:
        y, x = self.problem.y, solution.x
        images.save(to.restoration, x, like=self.inputs.like, overwrite=overwrite)
        if to.measurement is not None:
            floats = to.measurement.suffix.lower() not in (".png", ".jpg", ".jpeg")
            images.save(to.measurement, y, depth="float32" if floats else None, overwrite=overwrite)
        panels = [("measurement", y), ("restoration", x)]
        if self.inputs.truth is not None:
            panels.append(("truth", self.inputs.truth))
        images.save(to.comparison, side_by_side(panels), overwrite=overwrite)
        if to.deviation is not None and solution.deviation is not None:
            grey = _grey(solution.deviation)
            scaled = grey / grey.max().clamp_min(1e-12)
            images.save(to.deviation, scaled, overwrite=overwrite)
        if to.curve is not None and solution.weights is not None:
            weight_curve(to.curve, solution.weights, overwrite=overwrite)

    def table(self, record: dict[str, Any]) -> Group:
        """The summary that a person sees."""
        return summary(record, self.problem.noise_level, self.problem.noise)

    def _scores(self, x: Tensor) -> dict[str, dict[str, float]]:
        truth = self.inputs.truth
        if truth is None:
            return {}
        name, before = self.naive()
        return {name: score(before, truth), "restoration": score(x, truth)}

    def _runs(self, solution: Solution) -> list[dict[str, Any]]:
        """Each run's own end and score; empty for a single one."""
        truth = self.inputs.truth
        return [
            {
                "seed": member.provenance["seed"],
                "stop": _stop(member),
                "steps": member.steps,
                "seconds": member.seconds,
                "scores": {} if truth is None else score(member.x, truth),
            }
            for member in solution.members
        ]


def _checked(problem: Problem, parts: Parts, options: Options) -> StoppingRule:
    """See that the solver fits; return the rule that will end the run."""
    made, _ = select_solver(problem, parts.solver)
    check_compatible(problem, made)
    repeats.check(options.runs, problem)
    if options.weight_curve:
        check_curve(problem, parts.weight)
    return parts.stop or made.default_stop(problem)


def _stop(solution: Solution) -> dict[str, Any]:
    stop = solution.stop
    return {"name": stop.name, "ok": stop.ok, "message": stop.message}


def _grey(deviation: Tensor) -> Tensor:
    """The root mean square over the channels, (1, 1, H, W)."""
    return deviation.square().mean(1, keepdim=True).sqrt()


def _spread(solution: Solution) -> dict[str, float] | None:
    """How far the runs lie apart: at most, which is white in the file, and on the whole."""
    if solution.deviation is None:
        return None
    grey = _grey(solution.deviation)
    return {"white": float(grey.max()), "rms": float(grey.square().mean().sqrt())}


def _directory(name: str) -> AbstractContextManager[object]:
    """Work in the folder where the run began, if it is still there."""
    return chdir(name) if os.path.isdir(name) else nullcontext()  # noqa: PTH112


def _stem(source: str) -> str:
    if source.startswith(samples.PREFIX):
        return source.removeprefix(samples.PREFIX).partition(":")[0]
    return Path(source).stem


def _names(text: str) -> str:
    return "+".join(spec.name.rpartition("/")[2] for spec in parse_sum(text))
