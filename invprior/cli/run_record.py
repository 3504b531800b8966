"""The record of a run of `solve`: all that is needed to read the result, and to compute it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

import invprior
from invprior import registry
from invprior.cli.inputs import Inputs, Parts
from invprior.cli.result_images import spread
from invprior.cli.run_folder import RunFolder
from invprior.cli.summary import score
from invprior.metrics.base import Range
from invprior.metrics.psnr import PSNR
from invprior.problem.solution import Iterate, Solution
from invprior.provenance import data_hash

_EVERY = 10  # steps, as the rows of the history


class ScoredHistory:
    """A callback that scores the estimate along the run, for the history in the record.

    Args:
        truth: the true image, (1, C, H, W); None to score nothing.
        within: the range of its intensities.
    """

    def __init__(self, truth: Tensor | None, within: Range | None) -> None:
        self.truth, self.metric = truth, PSNR(data_range=within)
        self.found: dict[tuple[int, float], Tensor] = {}

    def __call__(self, iterate: Iterate) -> None:
        """Score the iterate if the history has a row for it."""
        if self.truth is None or (iterate.step != 1 and iterate.step % _EVERY):
            return
        if iterate.x.shape == self.truth.shape:  # not that of a tile
            # It stays on the device, so that a GPU does not wait.
            self.found[iterate.step, iterate.seconds] = self.metric.measure(iterate.x, self.truth)

    def added_to(self, solution: Solution) -> Solution:
        """Return the solution with `psnr` in the rows that were scored; rows before a resumption were not."""
        rows = []
        for row in solution.history:
            value = self.found.get((int(row["step"]), row["seconds"]))
            rows.append(row if value is None else {**row, "psnr": float(value)})
        return replace(solution, history=tuple(rows))


def record_of(
    solution: Solution,
    folder: RunFolder,
    parts: Parts,
    inputs: Inputs,
    naive: Callable[[], tuple[str, Tensor]],
    within: Range | None,
) -> dict[str, Any]:
    """Return what the record says beside the names of the files.

    Args:
        solution: the result.
        folder: of the run.
        parts: that the options name.
        inputs: the images.
        naive: returns the name of the estimate without a prior, and that estimate; called with a truth only.
        within: the intensities that scores count as black and white; None without a truth.
    """
    options, truth = folder.options, inputs.truth
    noise = parts.noise if options.simulated else None
    scores = {}
    if truth is not None:
        name, before = naive()
        scores = {
            name: score(before, truth, within),
            "restoration": score(solution.x, truth, within),
        }
    return {
        "invprior": invprior.__version__,
        "command": folder.command,
        "directory": folder.directory,
        "options": options.kept(),
        "image": options.image,
        "simulated_noise": None if noise is None else str(registry.describe(noise.filled_in())),
        "stop": _stop(solution),
        "notes": (*inputs.like.notes, *solution.notes),
        "choices": solution.choices,
        "steps": solution.steps,
        "seconds": solution.seconds,
        "tuning_seconds": solution.tuning_seconds,
        "scores": scores,
        "score_range": within,
        "result_sha256": data_hash(solution.x),
        "runs": [
            {
                "seed": member.provenance["seed"],
                "stop": _stop(member),
                "steps": member.steps,
                "seconds": member.seconds,
                "scores": {} if truth is None else score(member.x, truth, within),
            }
            for member in solution.members
        ],
        "deviation": spread(solution),
        "provenance": solution.provenance,
        "history": solution.history,
    }


def _stop(solution: Solution) -> dict[str, Any]:
    stop = solution.stop
    return {"name": stop.name, "ok": stop.ok, "message": stop.message}
