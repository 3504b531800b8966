"""Callbacks: any callable that takes an `Iterate`. Here, the one that records the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from invprior.problem.solution import Iterate

Callback: TypeAlias = Callable[[Iterate], object]


class Recorder:
    """Keeps step, seconds and energy, and any further measures, every so many steps.

    Figures stay on the device until `rows` is read, so that recording never makes the device wait.

    Args:
        every: record each step that is a multiple of this, and the first.
        measures: further figures by name, each a function of the iterate's x, (1, C, H, W).
    """

    def __init__(
        self, every: int = 10, measures: Mapping[str, Callable[[Tensor], Tensor]] | None = None
    ) -> None:
        self.every = every
        self.measures = dict(measures or {})
        self._kept: list[tuple[int, float, dict[str, Tensor | float]]] = []

    def __call__(self, iterate: Iterate) -> None:
        """Record the iterate when its turn has come."""
        if iterate.step != 1 and iterate.step % self.every:
            return
        with torch.no_grad():
            figures = {name: measure(iterate.x) for name, measure in self.measures.items()}
        self._kept.append((iterate.step, iterate.seconds, {"energy": iterate.energy, **figures}))

    def resume(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Go on from the rows of an earlier recorder."""
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
        """The table so far: rows of step, seconds, energy and the measures."""
        return tuple(
            {"step": step, "seconds": seconds, **{k: float(v) for k, v in figures.items()}}
            for step, seconds, figures in self._kept
        )
