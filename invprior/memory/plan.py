"""A way to solve that fits into memory, chosen before the first step."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from invprior.builders.solver import check_compatible, select_solver
from invprior.errors import IncompatibleError, InvpriorError, OptionError
from invprior.memory.forecast import SIDE, Forecast, forecast
from invprior.numerics.box import Box
from invprior.problem.functionals import Prior, Reparameterization, Term
from invprior.problem.problem import Problem
from invprior.problem.solution import Solution
from invprior.registry.options import option_values, plain_name
from invprior.registry.spec import Spec
from invprior.runner.tiling import divided
from invprior.solvers.base import Solver

_OVERLAP = 64  # of tiles, in pixels; more where a measurement sees far
_GRID = 32  # tile sizes that are tried are multiples of it, in pixels


@dataclass(frozen=True)
class Way:
    """How a problem is solved within a limit.

    Attributes:
        problem: the problem, perhaps with a prior set to need less memory.
        needs: estimated memory, in bytes, beyond what Python and its libraries hold; None where none was made.
        limit: the limit that was given, in bytes.
        tile: side of the tiles, in pixels; None for the whole image at once.
        overlap: of the tiles.
        note: what was changed to stay within the limit, and the figures.
    """

    problem: Problem
    needs: int | None = None
    limit: int | None = None
    tile: int | None = None
    overlap: int = _OVERLAP
    note: str | None = None

    def told(self, solution: Solution) -> Solution:
        """Add the figures to a solution's provenance, and the note to its notes."""
        record: dict[str, Any] = dict(solution.provenance)
        if self.needs is not None:
            record["memory"] = {"estimated": self.needs, "limit": self.limit}
        notes = solution.notes if self.note is None else (self.note, *solution.notes)
        return replace(solution, provenance=record, notes=notes)


def way(problem: Problem, solver: str | Spec | Solver, limit: str | int | None) -> Way:
    """Choose how to solve a problem: the first of the ways that fits, best first.

    The ways are the whole image as it is, with the prior set to need less (`Reparameterization.leaner`), and
    overlapping tiles, as large as will do, again as it is and set to need less.

    Args:
        problem: the problem.
        solver: the solver.
        limit: memory that the run may take beyond what Python and its libraries hold, in bytes or as "4GB"; when
            absent, what the machine has free, and the only way is the whole image as it is.

    Raises:
        OptionError: nothing fits; with the figures.
        IncompatibleError: the solver does not fit the problem, or no estimate can be made for the limit.
    """
    made, _ = select_solver(problem, solver)
    check_compatible(problem, made)
    room = None if limit is None else parse_size(limit)
    shape = problem.operator.image_shape
    if room is None and (len(shape) != 3 or shape[-2] * shape[-1] <= 2 * SIDE**2):
        return Way(problem)  # no larger than what would be rehearsed
    plain = forecast(problem, made)
    if plain is None:
        if room is None:
            return Way(problem)
        raise IncompatibleError(
            "The memory of this run cannot be estimated, as no small part of the image can be solved alone. "
            "Leave out memory_limit (--memory-limit)."
        )
    needs = plain.whole.total
    if room is None:
        _check(needs, available(problem.y.device))
        return Way(problem, needs)
    if needs <= room:
        return Way(problem, needs, room)
    found = _leaner_way(plain, made, room)
    logging.getLogger("invprior").warning("%s", found.note)
    return found


def _leaner_way(plain: Forecast, solver: Solver, room: int) -> Way:
    before = (
        f"the run needs about {text(plain.whole.total)} of memory, above the limit of {text(room)}"
    )
    settings = list(_settings(plain, solver))
    least, reason = plain.whole.total, ""
    for found, changed in settings[1:]:
        needs = found.whole.total
        least = min(least, needs)
        if needs <= room:
            note = f"{before}; it runs with {changed}, in about {text(needs)}"
            return Way(found.problem, needs, room, note=note)
    for found, changed in settings:
        for tile, overlap in _tilings(found.problem):
            needs = _in_tiles(found, tile)
            least = min(least, needs)
            if needs > room:
                continue
            try:
                tiles, _ = divided(found.problem, tile=tile, overlap=overlap)
            except InvpriorError as error:
                reason = f" {error}"
                break
            also = f" with {changed}" if changed else ""
            note = f"{before}; it runs in {len(tiles)} tiles of {tile} pixels{also}, in about {text(needs)}"
            return Way(found.problem, needs, room, tile, overlap, note)
    if _whole(plain.problem) is None:
        reason = f" {plain_name(type(plain.problem.operator))} does not act on near pixels alone, so tiles are no way."
    raise OptionError(
        f'The option "memory_limit" (--memory-limit) must be at least {text(least)} for this run, which needs about '
        f"{text(plain.whole.total)} as it stands; got {text(room)}.{reason} Raise it, or use a smaller image or "
        "network."
    )


def _settings(plain: Forecast, solver: Solver) -> Iterator[tuple[Forecast, str]]:
    """The problem as it is and with its prior set to need less, and what that changes."""
    yield plain, ""
    problem = plain.problem
    prior = problem.reparameterization
    if prior is None:
        return
    for leaner in prior.leaner(problem.y.device):
        found = forecast(_with(problem, leaner), solver)
        if found is not None:
            yield found, _difference(prior, leaner)


def _with(problem: Problem, leaner: Reparameterization) -> Problem:
    def other(term: Term) -> Term:
        replaced = isinstance(term.functional, Reparameterization)
        return replace(term, functional=leaner) if replaced else term

    return replace(problem, prior=Prior(tuple(map(other, problem.prior.terms))))


def _difference(before: Reparameterization, after: Reparameterization) -> str:
    (_, old), (_, new) = option_values(before), option_values(after)
    pairs = ((k, v) for k, v in new.items() if not isinstance(v, Tensor) and old.get(k) != v)
    return ", ".join(f"{k}={str(v).lower()}" for k, v in pairs)


def _tilings(problem: Problem) -> Iterator[tuple[int, int]]:
    """Tile sides and overlaps that can be tried, the largest first; none when the operator is not local."""
    if _whole(problem) is None:
        return
    operator = problem.operator
    overlap = max(
        _OVERLAP, 8 * operator.halo
    )  # what sees beyond a tile's border then counts nothing
    least = 2 * overlap + 3 * operator.alignment
    steps = range((max(operator.image_shape[-2:]) - 1) // _GRID, (least - 1) // _GRID, -1)
    yield from ((n * _GRID, overlap) for n in steps)


def _whole(problem: Problem) -> object:
    """The operator restricted to the whole image, None when it is not local."""
    return problem.operator.restrict(Box(0, 0, *problem.operator.image_shape[-2:]))


def _in_tiles(found: Forecast, tile: int) -> int:
    """Memory of a run in tiles: one tile's, and what is whole: y, x, weights, and the results (a tile's twice)."""
    channels, height, width = found.problem.operator.image_shape
    image = channels * height * width * found.problem.y.element_size()
    return found.at(min(tile, height), min(tile, width)).total + 6 * image


def _check(needs: int, free: int) -> None:
    if needs > free:
        raise OptionError(
            f"This run needs about {text(needs)} of memory, and {text(free)} are free. Give a limit, such as "
            f'memory_limit="{text(free // 10 * 9, "")}" (--memory-limit {text(free // 10 * 9, "")}): a leaner way '
            "is then taken where there is one."
        )


def available(device: torch.device) -> int:
    """Bytes that a run may still take on a device: free memory, or less where a container limits it."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + cached)
    free = int(psutil.virtual_memory().available)
    return min([free, *_container_room()])


def _container_room(root: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """What control groups, version 2 or 1, leave free; the cache of files counts as free."""
    found = []
    for limit, used, cache in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        try:
            most, now = (int((root / name).read_text()) for name in (limit, used))
            stat = dict(line.split() for line in (root / cache).read_text().splitlines())
        except (OSError, ValueError):  # not there, or "max"
            continue
        found.append(max(most - now + int(stat.get("inactive_file", 0)), 0))
    return found


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
          "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}  # fmt: skip


def parse_size(size: str | int) -> int:
    """Read a size in bytes, from a number or text such as "4GB", "1.5 GiB" or "800M".

    Raises:
        OptionError: it is none, or not positive.
    """
    number = None
    if isinstance(size, int) and not isinstance(size, bool):
        number = size
    elif isinstance(size, str):
        match = re.fullmatch(r"\s*(\d+\.?\d*)\s*([kmgt]?i?)b?\s*", size, re.IGNORECASE)
        if match and match[2].lower() in _UNITS:
            number = round(float(match[1]) * _UNITS[match[2].lower()])
    if number is None or number < 1:
        raise OptionError(
            'The option "memory_limit" must be a size such as "4GB" or "800MB", or a positive number of bytes; '
            f"got {size!r}."
        )
    return number


def text(size: int, space: str = " ") -> str:
    """Print a number of bytes as a person would: 1.9 GB."""
    if size >= 1e9:
        return f"{size / 1e9:.1f}{space}GB"
    return f"{max(round(size / 1e6), 1)}{space}MB"
