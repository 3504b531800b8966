"""The option --only of `invprior matrix`: which cells a command is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from invprior.cli.console import print_notes

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
    """Return the cells that match, and print what is deprecated; arguments and errors as for `selection.matching`."""
    from invprior.matrix.results import selection  # slow to import

    notes: list[str] = []
    chosen = selection.matching(cells, only, notes)
    print_notes(notes)
    return chosen
