"""One run of `invprior solve`: everything is checked in `prepare`, before the first step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from torch import Tensor

import invprior
from invprior import files, images, registry, samples
from invprior.building import (
    all_of,
    build,
    check_seed,
    default_device,
    picture,
    prior_from,
    solver_from,
    stop_from,
)
from invprior.cli.outputs import Outputs, settle, to_json
from invprior.cli.progress import Live
from invprior.comparison import side_by_side
from invprior.errors import DivergedError, MeasurementError, OptionError
from invprior.loop import Interrupted, chosen, route_or_explain, solve_problem
from invprior.metrics.psnr import PSNR
from invprior.metrics.ssim import SSIM
from invprior.noises.base import Noise
from invprior.problem import Problem
from invprior.simulation import default_noise, simulate
from invprior.solution import Solution
from invprior.solvers.base import Solver
from invprior.spec import parse_sum
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import MaxSteps


@dataclass(frozen=True)
class Session:
    """A checked problem, where its results go, and the truth when there is one."""

    problem: Problem
    solver: Solver
    stop: StoppingRule
    seed: int
    source: str
    like: images.Picture
    noise: Noise | None
    truth: Tensor | None
    outputs: Outputs
    overwrite: bool

    @staticmethod
    def prepare(
        source: str,
        *,
        operator: str,
        prior: str,
        output: Path | None,
        simulated: bool,
        truth: Path | None,
        noise: str | None,
        fidelity: str | None,
        solver: str,
        stop: str | None,
        steps: int | None,
        seed: int,
        device: str,
        dtype: str,
        nan: Literal["refuse", "mask"],
        overwrite: bool,
    ) -> Session:
        """Read and check everything.

        Raises:
            InvpriorError: whatever is wrong, all faults that can be seen at once; nothing has been
                written or computed.
        """
        simulated = simulated or source.startswith(samples.PREFIX)
        if simulated and truth is not None:
            raise OptionError(
                "--truth goes with a real measurement; a simulated one has the picture itself as "
                "truth. Leave out --truth or --simulate."
            )
        if simulated and noise is None:
            noise = default_noise(operator)
        given, true, where, forward, terms, model, likelihood, how, rule, limit, _ = all_of(
            lambda: samples.resolve(source),
            lambda: None if truth is None else samples.resolve(truth),
            lambda: _device(device),
            lambda: registry.create("operators", operator),
            lambda: prior_from(prior),
            lambda: None if noise is None else registry.create("noises", noise),
            lambda: None if fidelity is None else registry.create("fidelities", fidelity),
            lambda: solver_from(solver),
            lambda: None if stop is None else stop_from(stop),
            lambda: None if steps is None else MaxSteps(steps=steps),
            lambda: check_seed(seed),
        )
        y = picture(given.x, where, getattr(torch, dtype))
        known = y if simulated else None if true is None else true.x.to(y)
        if simulated:
            y, forward = simulate(y, operator=forward, noise=model, seed=seed)
        problem = build(
            y,
            operator=forward,
            prior=terms,
            fidelity=likelihood,
            noise=model,
            nan=nan,
            dtype=y.dtype,
        )[0]
        shape = problem.operator.image_shape
        if known is not None and tuple(known.shape[1:]) != shape:
            raise MeasurementError(
                f'The truth "{truth}" must have the shape {shape} of the restoration (channels, '
                f"height, width); got {tuple(known.shape[1:])}. Crop or convert it."
            )
        made, _ = chosen(problem, how)
        route_or_explain(problem, made)
        if rule is None:
            rule = limit or made.default_stop(problem)
        elif limit is not None:
            rule = rule | limit
        outputs = settle(
            output,
            "-".join([_stem(source), _names(operator), _names(prior)]),
            given,
            channels=shape[0],
            simulated=simulated,
            overwrite=overwrite,
        )
        return Session(problem, how, rule, seed, source, given, model, known, outputs, overwrite)

    def run(self, *, quiet: bool) -> Solution:
        """Solve; an interrupted or diverged run gives the best so far, its `stop` says so."""
        with Live(self.stop, self.truth, quiet) as live:
            try:
                return solve_problem(
                    self.problem, self.solver, stop=self.stop, seed=self.seed, callbacks=[live]
                )
            except Interrupted as interrupt:
                if interrupt.solution is None:
                    raise
                return interrupt.solution
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

    def write(self, solution: Solution, command: list[str]) -> dict[str, Any]:
        """Write the files, each whole or not at all, the restoration first; return the record."""
        to = self.outputs.claimed()
        y, x = self.problem.y, solution.x
        images.save(to.restoration, x, like=self.like, overwrite=self.overwrite)
        if to.measurement is not None:
            floats = to.measurement.suffix.lower() not in (".png", ".jpg", ".jpeg")
            depth = "float32" if floats else None
            images.save(to.measurement, y, depth=depth, overwrite=self.overwrite)
        panels = [("measurement", y), ("restoration", x)]
        if self.truth is not None:
            panels.append(("truth", self.truth))
        images.save(to.comparison, side_by_side(panels), overwrite=self.overwrite)
        simulated = to.measurement is not None and self.noise is not None
        record = {
            "invprior": invprior.__version__,
            "command": command,
            "picture": self.source,
            "simulated_noise": str(registry.describe(self.noise)) if simulated else None,
            "stop": {"name": solution.stop.name, "ok": solution.stop.ok, "message": solution.stop.message},
            "notes": solution.notes,
            "steps": solution.steps,
            "seconds": solution.seconds,
            "scores": self._scores(x),
            "files": {"restoration": to.restoration, "measurement": to.measurement,
                      "comparison": to.comparison, "record": to.record},
            "provenance": solution.provenance,
            "history": solution.history,
        }  # fmt: skip
        with files.atomic(to.record, overwrite=self.overwrite) as file:
            file.write(to_json(record).encode())
        return record

    def table(self, record: dict[str, Any]) -> Group:
        """The summary that a person sees."""
        facts = Table.grid(padding=(0, 2))
        facts.add_column(style="bold")
        facts.add_column(overflow="fold")
        parts, stop = record["provenance"], record["stop"]
        guessed = self.noise is None and parts["fidelity"].startswith("gaussian")
        level = f"sigma {self.problem.noise_level:.4f}" + (" (estimated)" if guessed else "")
        end = stop["message"] if stop["ok"] else f"{stop['name']} at step {record['steps']}"
        for name in ("operator", "prior", "solver"):  # one line each; the record has all options
            facts.add_row(name, Text(parts[name], no_wrap=True, overflow="ellipsis"))
        facts.add_row("noise", level)
        facts.add_row("stopped", escape(f"{end}, {record['seconds']:.1f} s"))
        if not record["scores"]:
            return Group(facts)
        scores = Table(box=None, padding=(0, 2, 0, 0))
        scores.add_column("")
        scores.add_column(escape("PSNR [dB]"), justify="right", header_style="bold")
        scores.add_column("SSIM", justify="right", header_style="bold")
        for name, score in record["scores"].items():
            ssim = f"{score['ssim']:.4f}" if "ssim" in score else "-"
            scores.add_row(name, f"{score['psnr']:.2f}", ssim)
        return Group(facts, "", scores, "")

    def _scores(self, x: Tensor) -> dict[str, dict[str, float]]:
        if self.truth is None:
            return {}
        name, before = self.naive()
        return {name: _score(before, self.truth), "restoration": _score(x, self.truth)}


def _score(x: Tensor, truth: Tensor) -> dict[str, float]:
    scores = {"psnr": float(PSNR().measure(x, truth))}
    if min(x.shape[2:]) >= 11:  # SSIM's window
        scores["ssim"] = float(SSIM().measure(x, truth))
    return scores


def _device(name: str) -> torch.device:
    return default_device() if name == "auto" else picture(torch.empty(1, 1), name).device


def _stem(source: str) -> str:
    if source.startswith(samples.PREFIX):
        return source.removeprefix(samples.PREFIX).partition(":")[0]
    return Path(source).stem


def _names(text: str) -> str:
    return "+".join(spec.name.rpartition("/")[2] for spec in parse_sum(text))
