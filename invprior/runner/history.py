"""Callbacks, which are callables that take an `Iterate`, and the one that records the history.

A callback that returns a `Stop` ends the run; anything else that it returns has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from invprior.problem.solution import Iterate

Callback: TypeAlias = Callable[[Iterate], object]


class Recorder:
    """Records step, seconds, energy and further measures at regular steps.

    Values stay on the device until `rows` is read, so that recording never makes a GPU wait.

    Args:
        every: record the first step and each step that is a multiple of this.
        measures: further columns by name, each a function of the iterate's x, (1, C, H, W).
    """

    def __init__(
        self, every: int = 10, measures: Mapping[str, Callable[[Tensor], Tensor]] | None = None
    ) -> None:
        self.every = every
        self.measures = dict(measures or {})
        self._kept: list[tuple[int, float, dict[str, Tensor | float]]] = []

    def __call__(self, iterate: Iterate) -> None:
        """Record the iterate if its step is due."""
        if iterate.step != 1 and iterate.step % self.every:
            return
        with torch.no_grad():
            values = {name: measure(iterate.x) for name, measure in self.measures.items()}
        # Reading the energy may compute it, so it is read only for steps that are due.
        self._kept.append((iterate.step, iterate.seconds, {"energy": iterate.energy, **values}))

    def resume(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Continue from the rows of an earlier recorder."""
        self._kept = [
            (
                int(row["step"]),
                row["seconds"],
                {k: v for k, v in row.items() if k not in ("step", "seconds")},
            )
            for row in rows
        ]

    @property
    def rows(self) -> tuple[Mapping[str, float], ...]:
        """The rows so far, each with step, seconds, energy and the measures."""
        # float() waits for the device; it must not move to __call__.
        return tuple(
            {"step": step, "seconds": seconds, **{k: float(v) for k, v in values.items()}}
            for step, seconds, values in self._kept
        )
