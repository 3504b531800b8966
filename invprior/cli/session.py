"""One run of `invprior solve`: everything is checked in `prepare`, before the first step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Group
from rich.table import Table
from torch import Tensor

import invprior
from invprior import files, images, samples
from invprior.building import build, default_device, stop_from
from invprior.cli.outputs import Outputs, settle, to_json
from invprior.cli.progress import Live
from invprior.comparison import side_by_side
from invprior.errors import DivergedError, IncompatibleError, MeasurementError, OptionError
from invprior.loop import Interrupted, chosen, route_or_explain, solve_problem
from invprior.metrics.psnr import PSNR
from invprior.metrics.ssim import SSIM
from invprior.operators.base import Operator
from invprior.problem import Problem
from invprior.simulation import default_noise, simulate
from invprior.solution import Solution
from invprior.stopping.base import StoppingRule
from invprior.stopping.max_steps import MaxSteps


@dataclass(frozen=True)
class Session:
    """A checked problem, where its results go, and the truth when there is one."""

    problem: Problem
    solver: str
    stop: StoppingRule
    seed: int
    source: images.Picture
    truth: Tensor | None
    outputs: Outputs
    overwrite: bool
    title: str

    @staticmethod
    def prepare(
        source: str | None,
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
            InvpriorError: whatever is wrong; nothing has been written or computed.
        """
        sample = source is None or source.startswith(samples.PREFIX)
        simulated = simulated or sample
        if simulated and truth is not None:
            raise OptionError(
                "--truth goes with a real measurement; a simulated one has the picture itself as truth."
            )
        given = samples.default() if source is None else samples.resolve(source)
        where, precision = _device(device), getattr(torch, dtype)
        known: Tensor | None = None
        forward: str | Operator = operator
        if simulated:
            noise = noise or default_noise(operator)
            known = given.x.to(where, precision)
            y, forward = simulate(known, operator=operator, noise=noise, seed=seed)
        else:
            y = given.x.to(where, precision)
        problem = build(
            y,
            operator=forward,
            prior=prior,
            fidelity=fidelity,
            noise=noise,
            nan=nan,
            dtype=precision,
        )[0]
        if truth is not None:
            known = samples.resolve(str(truth)).x.to(where, precision)
            if tuple(known.shape[1:]) != problem.operator.image_shape:
                raise MeasurementError(
                    f'The truth "{truth}" must have the shape {problem.operator.image_shape} of the restoration; '
                    f"got {tuple(known.shape[1:])}."
                )
        made, _ = chosen(problem, solver)
        route_or_explain(problem, made)
        rule = made.default_stop(problem) if stop is None else stop_from(stop)
        if steps is not None:
            rule = MaxSteps(steps=steps) if stop is None else rule | MaxSteps(steps=steps)
        names = [
            Path(source).stem
            if source and not sample
            else (source or "astronaut").removeprefix(samples.PREFIX)
        ]
        title = "-".join([*names, *(_plain(part) for part in (operator, prior))])
        channels = problem.operator.image_shape[0]
        outputs = settle(
            output, title, given, channels=channels, simulated=simulated, overwrite=overwrite
        )
        return Session(problem, solver, rule, seed, given, known, outputs, overwrite, title)

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
                stop = invprior.Stop("diverged", False, message)
                return replace(error.solution, stop=stop)

    def naive(self) -> tuple[str, Tensor]:
        """What one has without a prior: the measurement, or its damped pseudo-inverse when sizes differ."""
        y = self.problem.y
        if tuple(y.shape[1:]) == self.problem.operator.image_shape:
            return "measurement", y
        return "pseudo-inverse", self.problem.first_guess()

    def write(self, solution: Solution, command: list[str]) -> dict[str, Any]:
        """Write the files, each whole or not at all, and return the record."""
        outputs = self.outputs
        outputs.restoration.parent.mkdir(parents=True, exist_ok=True)
        y, x = self.problem.y, solution.x
        if outputs.measurement is not None:
            images.save(
                outputs.measurement,
                y,
                depth=self._depth(outputs.measurement),
                overwrite=self.overwrite,
            )
        images.save(outputs.restoration, x, like=self.source, overwrite=self.overwrite)
        panels = [("measurement", y), ("restoration", x)]
        if self.truth is not None:
            panels.append(("truth", self.truth))
        images.save(outputs.comparison, side_by_side(panels), overwrite=self.overwrite)
        record = {
            "invprior": invprior.__version__,
            "command": command,
            "stop": {"name": solution.stop.name, "ok": solution.stop.ok, "message": solution.stop.message},
            "steps": solution.steps,
            "seconds": solution.seconds,
            "scores": self._scores(x),
            "files": {"restoration": outputs.restoration, "comparison": outputs.comparison,
                      "measurement": outputs.measurement},
            "provenance": solution.provenance,
            "history": solution.history,
        }  # fmt: skip
        with files.atomic(outputs.record, overwrite=self.overwrite) as file:
            file.write(to_json(record).encode())
        return record

    def table(self, record: dict[str, Any]) -> Group:
        """The summary that a person sees."""
        facts = Table.grid(padding=(0, 2))
        facts.add_row(
            "[bold]problem[/]",
            f"{record['provenance'].get('operator', '')}, noise {self.problem.noise_level:.4f}",
        )
        for name in ("prior", "solver"):
            facts.add_row(f"[bold]{name}[/]", record["provenance"].get(name, ""))
        facts.add_row("[bold]stopped[/]", f"{record['stop']['message']}, {record['seconds']:.1f} s")
        facts.add_row("[bold]wrote[/]", ", ".join(path.name for path in self.outputs.paths))
        if self.truth is None:
            return Group(facts)
        scores = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("", "PSNR [dB]", "SSIM"):
            scores.add_column(
                heading, justify="left" if not heading else "right", header_style="bold"
            )
        for name, score in record["scores"].items():
            scores.add_row(
                name, f"{score['psnr']:.2f}", f"{score['ssim']:.4f}" if "ssim" in score else "-"
            )
        return Group(facts, "", scores)

    def _scores(self, x: Tensor) -> dict[str, dict[str, float]]:
        if self.truth is None:
            return {}
        name, before = self.naive()
        return {name: _score(before, self.truth), "restoration": _score(x, self.truth)}

    def _depth(self, path: Path) -> str | None:
        return "float32" if path.suffix.lower() in (".npy", ".npz", ".tif", ".tiff") else None


def _score(x: Tensor, truth: Tensor) -> dict[str, float]:
    scores = {"psnr": float(PSNR().measure(x, truth))}
    if min(x.shape[2:]) >= 11:  # SSIM's window
        scores["ssim"] = float(SSIM().measure(x, truth))
    return scores


def _device(name: str) -> torch.device:
    if name == "auto":
        return default_device()
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise IncompatibleError(
            f'The device "{name}" cannot be used: {reason}. Try --device cpu.'
        ) from None
    return device


def _plain(spec: str) -> str:
    names = [part.split(":")[0].split("(")[0].strip() for part in spec.split("+")]
    return "+".join(name.rpartition("/")[2] for name in names)
