"""The cells of a configuration: every combination of the values of its axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import product

from invprior.matrix.config import specs
from invprior.matrix.config.matrix import Matrix
from invprior.matrix.config.method import Method
from invprior.matrix.results.record import Cell


def expanded(matrix: Matrix) -> Iterator[tuple[Cell, Method]]:
    """Yield every cell with its method, in the order of the axes, without those that are excluded."""
    seen = set()  # a method's own solver or rule makes its cells of several axis values equal
    for image, operator, noise, method, solver, stop, seed in product(*matrix.axes):
        solved = bool(method.prior)
        cell = Cell(
            image=image,
            operator=operator,
            noise=noise,
            method=method.label,
            prior=method.text,
            solver=(method.solver or solver) if solved else "",
            stop=_joined(method.stop or stop, method.steps) if solved else "",
            seed=seed,
        )
        if cell not in seen and not any(_excluded(cell, e) for e in matrix.excludes):
            seen.add(cell)
            yield cell, method


def _joined(stop: str, steps: int) -> str:
    """Join a rule and a limit of steps; without a rule the limit replaces the solver's own rule."""
    limit = f"max-steps:steps={steps}" if steps else ""
    return f"{stop} | {limit}" if stop and limit else stop or limit


def _excluded(cell: Cell, exclude: Mapping[str, str]) -> bool:
    values = asdict(cell)
    return bool(exclude) and all(  # an empty exclude would leave out everything
        specs.matches(pattern, str(values[axis]))
        or (axis == "prior" and specs.matches(pattern, cell.method))
        for axis, pattern in exclude.items()
    )
