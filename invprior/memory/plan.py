"""The plan by which a run fits into memory, made before the first step."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from invprior.builders.solver import Selection
from invprior.errors import IncompatibleError, InvpriorError, OptionError
from invprior.memory.forecast import Forecast, forecast
from invprior.memory.size import available, parse_size, size_text
from invprior.memory.tiles import acts_locally, divided
from invprior.problem.functionals import Prior, Reparameterization, Term
from invprior.problem.problem import Problem
from invprior.problem.restriction import alignment_of
from invprior.problem.solution import Solution
from invprior.registry.options import option_values, plain_name
from invprior.solvers.base import Solver

_OVERLAP = 64  # of tiles, in pixels; more when the operator's halo is large
_AMPLE = 100_000  # bytes per pixel and network; those built in, and nl-ridge, take at most a fifth
_GRID = 32  # tile sides are multiples of it, in pixels


@dataclass(frozen=True)
class MemoryPlan:
    """How to solve a problem within a memory limit.

    Attributes:
        problem: the problem, perhaps with a prior that needs less memory.
        needs: estimated memory in bytes, beyond what Python and its libraries hold; None without an estimate.
        limit: the given limit in bytes.
        tile: side of the tiles in pixels; None for the whole image at once.
        overlap: overlap of the tiles in pixels.
        note: what was changed to stay within the limit, with the sizes.
    """

    problem: Problem
    needs: int | None = None
    limit: int | None = None
    tile: int | None = None
    overlap: int = _OVERLAP
    note: str | None = None

    def annotate(self, solution: Solution) -> Solution:
        """Return a solution with the sizes in its provenance and the note among its notes."""
        record: dict[str, Any] = dict(solution.provenance)
        if self.needs is not None:
            record["memory"] = {"estimated": self.needs, "limit": self.limit}
        notes = solution.notes if self.note is None else (self.note, *solution.notes)
        return replace(solution, provenance=record, notes=notes)


def plan_memory(selection: Selection, limit: str | int | None) -> MemoryPlan:
    """Return the first plan that fits into memory.

    The first plan is the whole image, unchanged. The next ones use a prior that needs less memory
    (`Reparameterization.leaner`). The last ones are overlapping tiles, as large as possible, with the prior unchanged
    and then with each that needs less.

    Args:
        selection: the problem and its solver.
        limit: memory that the run may take beyond what Python and its libraries hold, in bytes or as "4GB". Without a
            limit, it is the free memory, and the whole image is the only plan.

    Raises:
        OptionError: no plan fits; the message gives the sizes.
        IncompatibleError: there is a limit, and no estimate can be made.
    """
    problem, solver = selection.problem, selection.solver
    allowed = None if limit is None else parse_size(limit)
    shape = problem.operator.image_shape
    if allowed is None:
        free, network = available(problem.y.device), problem.reparameterization
        ample = _AMPLE * (1 if network is None else network.members)
        if len(shape) != 3 or shape[-2] * shape[-1] * ample < free:
            return MemoryPlan(problem)  # a profile takes seconds
    plain = forecast(problem, solver)
    if plain is None:
        if allowed is None:
            return MemoryPlan(problem)
        raise IncompatibleError(
            "The memory of this run cannot be estimated, since no small part of the image can be solved alone. "
            "Leave out memory_limit (--memory-limit)."
        )
    needs = plain.whole.total
    if allowed is None:
        _check(needs, free)
        return MemoryPlan(problem, needs)
    if needs <= allowed:
        return MemoryPlan(problem, needs, allowed)
    found = _leaner_plan(plain, solver, allowed)
    logging.getLogger("invprior").warning("%s", found.note)
    return found


def _leaner_plan(plain: Forecast, solver: Solver, allowed: int) -> MemoryPlan:
    """Return the first plan with a changed prior or with tiles that fits into the allowed bytes."""
    before = f"the run needs about {size_text(plain.whole.total)} of memory, above the limit of {size_text(allowed)}"
    settings = list(_settings(plain, solver))
    smallest, reason = plain.whole.total, ""
    # The first setting is the unchanged run, which does not fit.
    for found, changed in settings[1:]:
        needs = found.whole.total
        smallest = min(smallest, needs)
        if needs <= allowed:
            note = f"{before}; it runs with {changed}, in about {size_text(needs)}"
            return MemoryPlan(found.problem, needs, allowed, note=note)
    for found, changed in settings:
        for tile, overlap in _tilings(found.problem):
            needs = _in_tiles(found, tile)
            smallest = min(smallest, needs)
            if needs > allowed:
                continue
            try:  # smaller tiles would fail too: a tile without a known pixel stays one
                tiles, _ = divided(found.problem, tile=tile, overlap=overlap)
            except InvpriorError as error:
                reason = f" {error}"
                break
            also = f" with {changed}" if changed else ""
            note = f"{before}; it runs in {len(tiles)} tiles of {tile} pixels{also}, in about {size_text(needs)}"
            return MemoryPlan(found.problem, needs, allowed, tile, overlap, note)
    if not acts_locally(plain.problem.operator):
        reason = f" {plain_name(type(plain.problem.operator))} does not act locally, so tiles do not help."
    raise OptionError(
        f'The option "memory_limit" (--memory-limit) must be at least {size_text(smallest)} for this run, which needs '
        f"about {size_text(plain.whole.total)} unchanged; got {size_text(allowed)}.{reason} Raise it, or use a smaller "
        "image or network."
    )


def _settings(plain: Forecast, solver: Solver) -> Iterator[tuple[Forecast, str]]:
    """Yield the forecast unchanged and for each leaner prior, with the text of the options that change."""
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
    # A guide is a tensor, and comparing tensors gives no single truth value.
    pairs = ((k, v) for k, v in new.items() if not isinstance(v, Tensor) and old.get(k) != v)
    return ", ".join(f"{k}={str(v).lower()}" for k, v in pairs)


def _tilings(problem: Problem) -> Iterator[tuple[int, int]]:
    """Yield tile sides and overlaps to try, the largest first; none when the operator is not local."""
    operator = problem.operator
    if not acts_locally(operator):
        return
    # Twice the smallest overlap that `divided` allows. Its outer quarter, where a tile has weight zero, is then
    # two halos wide, so no measurement that sees beyond the border counts.
    overlap = max(_OVERLAP, 8 * operator.halo)
    smallest = 2 * overlap + 3 * alignment_of(problem)
    steps = range((max(operator.image_shape[-2:]) - 1) // _GRID, (smallest - 1) // _GRID, -1)
    yield from ((n * _GRID, overlap) for n in steps)


def _in_tiles(found: Forecast, tile: int) -> int:
    """Return the memory of a run in tiles: one tile, plus y, x, blending weights and results at full size."""
    channels, height, width = found.problem.operator.image_shape
    image = channels * height * width * found.problem.y.element_size()
    return found.at(min(tile, height), min(tile, width)).total + 6 * image


def _check(needs: int, free: int) -> None:
    if needs > free:
        # The limit to try leaves a tenth for scratch memory that the estimate excludes.
        raise OptionError(
            f"This run needs about {size_text(needs)} of memory, and {size_text(free)} are free. Give a limit, such as "
            f'memory_limit="{size_text(free // 10 * 9, "")}" (--memory-limit {size_text(free // 10 * 9, "")}): a '
            "plan that needs less memory is then used, if there is one."
        )
