"""Restorations in a thread of their own, which the page watches and can stop."""

from __future__ import annotations

import io
import logging
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

import invprior
from invprior import registry
from invprior.builders.problem import all_of, noise_from, prior_from
from invprior.builders.ranges import photograph_range
from invprior.builders.simulation import default_noise
from invprior.builders.solver import Selection, select_solver
from invprior.errors import InvpriorError
from invprior.io import samples, strict_json
from invprior.io.display import Window, window_of
from invprior.io.images import Image
from invprior.io.save import save
from invprior.io.values import TOPS
from invprior.metrics.base import Range, score_range
from invprior.metrics.psnr import PSNR
from invprior.numerics.complex_parts import magnitude
from invprior.problem.presentation import colours, picture
from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Solution, Stop
from invprior.provenance import data_hash
from invprior.runner.options import RunOptions
from invprior.runner.progress import step_limit
from invprior.ui.choice import Choice

_PERIOD = 0.3  # seconds between two looks at the estimate


class Restoration:
    """One run, whose attributes tell how far it is, to any thread.

    Attributes:
        choice: what is solved; the noise of a simulation and the range are filled in.
        state: "waiting", "running", "done" or "failed".
        message: one sentence on the state: why it failed, or why the run stopped.
        pictures: PNG files by name: "truth", "measurement", "restoration".
        curve: (step, value) along the run: the PSNR if the truth is known, else the energy.
        left: seconds that the run may still take at most; None if no rule limits it.
        solution: the result of a run that is done.
    """

    def __init__(self, choice: Choice) -> None:
        self.choice, self.state, self.message = choice, "waiting", ""
        self.pictures: dict[str, bytes] = {}
        self.curve: list[tuple[int, float]] = []
        self.left: float | None = None
        self.solution: Solution | None = None
        self._halt = threading.Event()
        self._looked = 0.0
        self._source: Image | None = None
        self._truth: Tensor | None = None
        self._window: Window | None = None
        self._range: Range | None = None
        self._limit: int | None = None

    @property
    def measure(self) -> str:
        """What the curve shows."""
        return "energy" if self._truth is None else "PSNR [dB]"

    def stop(self) -> None:
        """End the run at its next step, with the estimate so far."""
        self._halt.set()

    def run(self) -> None:
        """Solve, in this thread; faults become the state and its message."""
        self.state, self.message = "running", "Preparing, or choosing the weight"
        try:
            self._solve()
        except InvpriorError as error:
            # The reader knows the file by its own name.
            self.message = str(error).replace(self.choice.image, self.choice.shown)
            self.state = "failed"
        except Exception as error:
            logging.getLogger("invprior").exception("A run of the page failed.")
            self.message = f"{type(error).__name__}: {error}. The terminal has more."
            self.state = "failed"

    def _solve(self) -> None:
        selection = self._prepared()
        problem = selection.problem.in_data_units
        if problem.picture is not None:
            self.pictures["measurement"] = png(problem.picture, self._window_of(problem))
        if self._truth is not None:
            self.pictures["truth"] = png(self._truth, self._window)
        if self._halt.is_set():
            self.message, self.state = "Stopped before the first step.", "failed"
            return
        solution = invprior.solve_problem(
            problem,
            selection,
            steps=self.choice.steps,
            seed=self.choice.seed,
            callbacks=[self._look],
        )
        self.pictures["restoration"] = png(solution.x, self._window)
        if self._truth is not None:  # the last look may be of an earlier step
            self.curve = [p for p in self.curve if p[0] < solution.steps]
            self.curve.append((solution.steps, self._psnr(solution.x)))
        self.solution, self.left = solution, None
        self.message = f"{solution.stop.message[0].upper()}{solution.stop.message[1:]}."
        self.state = "done"

    def _prepared(self) -> Selection:
        """Read or simulate the measurement, as `invprior solve` does, and select the solver."""
        choice = self.choice
        # Together, so that one message lists every fault.
        source, *_ = all_of(
            lambda: samples.resolve(choice.image),
            lambda: registry.create("operators", choice.operator),
            lambda: prior_from(choice.prior),
            lambda: noise_from(choice.noise) if choice.noise else None,
        )
        self._source = source
        if not choice.simulate:
            (problem,) = invprior.build(
                choice.image,
                operator=choice.operator,
                prior=choice.prior,
                noise=choice.noise or None,
            )
            return self._selected(problem)
        choice = replace(choice, noise=choice.noise or default_noise(choice.operator))
        if source.depth in TOPS and (found := photograph_range(source.x)):
            choice = replace(choice, data_range=(found.low, found.high))
        self.choice = choice
        y, operator = invprior.simulate(
            source.x, operator=choice.operator, noise=choice.noise, seed=choice.seed
        )
        (problem,) = invprior.build(
            y,
            operator=operator,
            prior=choice.prior,
            noise=choice.noise,
            data_range=choice.data_range,
        )
        self._truth, self._window = source.x.to(y.device), window_of(source.x)
        self._range = choice.data_range or score_range(source.x)
        return self._selected(problem)

    def _selected(self, problem: Problem) -> Selection:
        selection = select_solver(problem, "auto")
        rule = RunOptions(steps=self.choice.steps).rule(selection.solver, selection.problem)
        self._limit = step_limit(rule)
        return selection

    def _window_of(self, problem: Problem) -> Window | None:
        return self._window and self._window.for_measurement(problem.y)

    def _look(self, now: Iterate) -> Stop | None:
        """Take the estimate and the curve when it is time; a stop that was asked for ends the run."""
        if self._halt.is_set():
            return Stop(
                name="interrupted", ok=True, message=f"stopped on the page at step {now.step}"
            )
        if time.monotonic() - self._looked < _PERIOD and now.step > 1:
            return None
        self._looked = time.monotonic()
        if self._truth is None:
            self.curve.append((now.step, float(now.energy)))
        elif now.x.shape == self._truth.shape:  # a tile's shape differs
            self.curve.append((now.step, self._psnr(now.x)))
        self.pictures["restoration"] = png(now.x, self._window)
        of = "" if self._limit is None else f" of at most {self._limit}"
        self.message = f"Step {now.step}{of}, {now.seconds:.1f} s"
        if self._limit is not None:
            self.left = max(now.seconds / now.step * (self._limit - now.step), 0.0)
        return None

    def _psnr(self, x: Tensor) -> float:
        assert self._truth is not None
        return float(PSNR(data_range=self._range).measure(x, self._truth))

    def file(self, suffix: str) -> bytes:
        """Return the restoration as an image file: ".png" in the source's depth, ".tif" with every digit."""
        assert self.solution is not None
        assert self._source is not None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"restoration{suffix}")
            save(path, self.solution.x, like=self._source if suffix == ".png" else None)
            return path.read_bytes()

    def record(self) -> str:
        """Return the record of the run as JSON: what was chosen, how it ended, and its provenance."""
        found = self.solution
        assert found is not None
        facts: dict[str, Any] = {
            "invprior": invprior.__version__, "command": self.choice.command, "python": self.choice.python,
            "choice": asdict(self.choice) | {"image": self.choice.shown},
            "stop": {"name": found.stop.name, "ok": found.stop.ok, "message": found.stop.message},
            "notes": found.notes, "choices": found.choices, "steps": found.steps, "seconds": found.seconds,
            "scores": {} if self._truth is None else {"psnr": self._psnr(found.x)},
            "result_sha256": data_hash(found.x), "provenance": found.provenance, "history": found.history,
        }  # fmt: skip
        return strict_json.dumps(facts, indent=2)


def start(runs: Sequence[Restoration]) -> threading.Thread:
    """Run several restorations one after the other, so that none slows down another, in a new thread."""

    def every() -> None:
        for run in runs:
            run.run()

    thread = threading.Thread(target=every, daemon=True)
    thread.start()
    return thread


def png(x: Tensor, window: Window | None = None) -> bytes:
    """Return an image, (1, C, H, W), as a PNG file of 8 bits; of complex numbers their magnitude."""
    content = io.BytesIO()
    picture(colours(magnitude(x)), window).save(content, "PNG")
    return content.getvalue()
