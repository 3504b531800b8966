"""The option --only of `invprior matrix`: which cells a command is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from invprior.cli.console import print_notes
from invprior.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from invprior.matrix.results.cells import Job
    from invprior.matrix.results.record import Cell

Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AXIS=PATTERN",
        help="Only these cells, such as prior=tv* or image=F16, or all but these, prior!=dip*. Repeatable: patterns of "
        "one axis add up, and several axes must all match.",
    ),
]


def select(jobs: Sequence[Job], only: Sequence[str] | None) -> list[Job]:
    """Return the jobs of the cells that match; errors as for `matching`."""
    chosen = matching([job.cell for job in jobs], only)
    return [job for job in jobs if job.cell in chosen]


def matching(cells: Sequence[Cell], only: Sequence[str] | None) -> set[Cell]:
    """Return the cells that match one AXIS=PATTERN of every axis given, and no AXIS!=PATTERN.

    Raises:
        OptionError: an axis is unknown, a pattern matches no cell, or no cell is left.
    """
    from invprior.matrix.config import deprecated  # slow to import
    from invprior.matrix.config.matrix import AXES

    wanted: dict[str, list[str]] = {}
    unwanted: list[tuple[str, str]] = []
    for text in only or ():
        # At the first sign: "prior!=tv:weight=8" is the axis "prior!" and the pattern "tv:weight=8".
        axis, sign, pattern = text.partition("=")
        negated = axis.endswith("!")
        notes: list[str] = []
        axis, pattern = deprecated.pattern(axis.removesuffix("!"), pattern, "--only", notes)
        print_notes(notes)
        if not sign or axis not in AXES:
            raise OptionError(
                f'The option "only" must be AXIS=PATTERN or AXIS!=PATTERN with an axis of {", ".join(AXES)}'
                f'{did_you_mean(axis, AXES)}; got "{text}".'
            )
        # A pattern without effect is most likely a typing error, also behind !=.
        if not any(_matches(cell, axis, pattern) for cell in cells):
            raise OptionError(f'No cell matches --only "{text}". See: invprior matrix plan.')
        if negated:
            unwanted.append((axis, pattern))
        else:
            wanted.setdefault(axis, []).append(pattern)
    left = {
        cell
        for cell in cells
        if all(any(_matches(cell, a, p) for p in patterns) for a, patterns in wanted.items())
        and not any(_matches(cell, a, p) for a, p in unwanted)
    }
    if not left:
        raise OptionError(
            f"No cell is left with --only {' --only '.join(only or ())}. See: invprior matrix plan."
        )
    return left


def _matches(cell: Cell, axis: str, pattern: str) -> bool:
    from invprior.matrix.config import specs

    values = [str(asdict(cell)[axis])] + [cell.method] * (axis == "prior")
    return any(specs.matches(pattern, value) for value in values)
