"""Which cells of a matrix the option --only chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from invprior.errors import OptionError, did_you_mean
from invprior.matrix.config import deprecated, specs
from invprior.matrix.config.matrix import AXES
from invprior.matrix.results.record import Cell


def matching(cells: Sequence[Cell], only: Sequence[str] | None, notes: list[str]) -> set[Cell]:
    """Return the cells that match one AXIS=PATTERN of every axis given, and no AXIS!=PATTERN.

    Args:
        cells: to choose from.
        only: the patterns; None for all cells.
        notes: a list to which deprecated words are added, a sentence each.

    Raises:
        OptionError: an axis is unknown, a pattern matches no cell, or no cell is left.
    """
    wanted: dict[str, list[str]] = {}
    unwanted: list[tuple[str, str]] = []
    for text in only or ():
        # At the first sign: "prior!=tv:weight=8" is the axis "prior!" and the pattern "tv:weight=8".
        axis, sign, pattern = text.partition("=")
        negated = axis.endswith("!")
        axis, pattern = deprecated.pattern(axis.removesuffix("!"), pattern, "--only", notes)
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
    values = [str(asdict(cell)[axis])] + [cell.method] * (axis == "prior")
    return any(specs.matches(pattern, value) for value in values)
