"""Overlapping tiles: a big image as small problems, solved one after the other and blended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from invprior.builders.problem import placed
from invprior.builders.solver import select_solver
from invprior.checkpoint.checkpoint import Checkpoint
from invprior.errors import DivergedError, IncompatibleError, InvpriorError, OptionError
from invprior.numerics.box import Box
from invprior.numerics.random import derived_seed
from invprior.problem.functionals import Prior, Term
from invprior.problem.problem import Problem
from invprior.problem.solution import Solution, batch
from invprior.provenance import provenance
from invprior.registry.options import plain_name
from invprior.registry.spec import Spec
from invprior.runner.history import Callback
from invprior.runner.run import Interrupted, Single
from invprior.solvers.base import Solver
from invprior.stopping.base import StoppingRule


def solve_in_tiles(
    problem: Problem,
    solver: str | Spec | Solver = "auto",
    *,
    tile: int = 256,
    overlap: int = 64,
    stop: StoppingRule | None = None,
    x0: Tensor | None = None,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    record_every: int = 10,
    checkpoint: Checkpoint | None = None,
) -> Solution:
    """Solve a problem tile by tile; no run is larger than a tile.

    Each tile is a problem of its own, with a seed of its own, that runs to its own stop; weights that sum to 1 blend
    the results. Use `solve_problem` where memory allows: what a tile sees of the image is all that it knows.

    Args:
        problem: the problem, whose operator acts locally.
        solver: the solver.
        tile: largest height and width of a tile, in pixels, more than twice the overlap.
        overlap: least overlap of neighbours, in pixels, at least four times as far as a measurement sees.
        stop: each tile's stopping rule; as for `solve_problem` when absent.
        x0: where to begin, (1, C, H, W).
        seed: from which the tiles' seeds are derived.
        callbacks: each is called with every tile's iterates.
        record_every: as for `solve_problem`; the history is the first tile's.
        checkpoint: keeps finished tiles and the state of the one under way.

    Returns:
        The image; its provenance says which tiles.

    Raises:
        OptionError: tile or overlap is too small.
        IncompatibleError: the operator does not act on near pixels alone, or a tile knows no pixel.
        DivergedError, Interrupted: their `solution` is the image so far, with a pseudo-inverse where no tile is.
    """
    tiles, parts = divided(problem, tile=tile, overlap=overlap)
    made, why = select_solver(problem, solver)
    rule = stop or made.default_stop(problem)
    record = provenance(problem, made, why, rule, seed)
    record["tiles"] = {"tile": tile, "overlap": overlap, "count": len(tiles)}
    done: list[Solution] = []

    def blended() -> Solution:
        x = problem.y.new_zeros(1, *problem.operator.image_shape)
        weight = x.new_zeros(x.shape[-2:])
        for solution, one in zip(done, tiles, strict=False):
            window = one.window.to(x)
            one.box.of(x).add_(window * solution.x)
            one.box.of(weight).add_(window)
        if len(done) < len(tiles):
            x += (1 - weight).clamp_min(0) * (problem.pseudo_inverse() if x0 is None else x0.to(x))
        return replace(batch(done), x=x, provenance=record, images=())

    for index, (one, part) in enumerate(zip(tiles, parts, strict=True)):
        run = Single(
            part,
            made,
            stop=stop,
            x0=None if x0 is None else one.box.of(x0),
            seed=derived_seed(seed, "tile", str(index)),
            callbacks=callbacks,
            record_every=record_every,
            checkpoint=None if checkpoint is None else checkpoint.within(f"tile-{index + 1}"),
            part=True,
        )
        try:
            done.append(run.solve())
        except (DivergedError, Interrupted) as error:
            done += [error.solution] if error.solution else []
            error.solution = blended() if done else None
            raise
    return blended()


def divided(problem: Problem, *, tile: int, overlap: int) -> tuple[list[Tile], list[Problem]]:
    """Cut a problem into tiles; arguments and errors as for `solve_in_tiles`."""
    operator = problem.operator
    whole = Box(0, 0, *operator.image_shape[-2:])
    if len(operator.image_shape) != 3 or operator.restrict(whole) is None:
        raise IncompatibleError(
            f"The image cannot be cut into tiles, as {_name(problem)} does not act on near pixels alone."
        )
    far = f"four times as far as a measurement of {_name(problem)} sees"
    _check("overlap", overlap, max(4 * operator.halo, 1), far)
    _check("tile", tile, 2 * overlap + 3 * operator.alignment, "more than twice the overlap")
    tiles = cover(
        whole.height, whole.width, tile=tile, overlap=overlap, alignment=operator.alignment
    )
    try:
        return tiles, [restrict(problem, one.box) for one in tiles]
    except InvpriorError as error:
        raise IncompatibleError(
            f"Tiles of {tile} pixels cannot be solved alone: {error} Use larger tiles."
        ) from None


def _check(name: str, value: object, least: int, reason: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OptionError(
            f'The option "{name}" must be a whole number >= {least}, {reason}; got {value!r}.'
        )


def restrict(problem: Problem, box: Box) -> Problem:
    """Restrict a problem to a box of the image x; the noise level stays that of the whole.

    Raises:
        InvpriorError: the operator does not act locally, or the part alone is no problem, as when no pixel is known.
    """
    part = problem.operator.restrict(box)
    if part is None:
        raise IncompatibleError(f"{_name(problem)} does not act on near pixels alone.")
    operator, measured = part
    y = measured.of(problem.y)
    prior = restrict_prior(problem.prior, box)
    return Problem(placed(operator, y), y, prior, problem.fidelity, problem.noise)


def restrict_prior(prior: Prior, box: Box) -> Prior:
    """Restrict every term to a box."""
    return Prior(tuple(Term(t.functional.restrict(box), t.given_weight) for t in prior.terms))


@dataclass(frozen=True)
class Tile:
    """A box and the weights with which its solution counts.

    Attributes:
        box: where it lies.
        window: (height, width), float32; the windows of all tiles sum to 1 at every pixel.
    """

    box: Box
    window: Tensor


def cover(height: int, width: int, *, tile: int, overlap: int, alignment: int = 1) -> list[Tile]:
    """Cover an image by as few tiles as will do, of nearly equal size, row by row.

    A tile counts nothing in the outer quarter of an overlap, where it knows its surroundings least; across the middle
    half its weight rises as a squared sine.

    Args:
        height: the image's, in pixels.
        width: the image's, in pixels.
        tile: largest height and width of a tile, at least twice the overlap plus three times the alignment.
        overlap: least overlap of neighbours, in pixels.
        alignment: tiles begin and end at multiples of it, or at the image's border.
    """
    rows, columns = (_spans(size, tile, overlap, alignment) for size in (height, width))
    down, across = _windows(rows), _windows(columns)
    return [
        Tile(Box(top, left, bottom - top, right - left), torch.outer(v, h))
        for (top, bottom), v in zip(rows, down, strict=True)
        for (left, right), h in zip(columns, across, strict=True)
    ]


def _spans(size: int, tile: int, overlap: int, alignment: int) -> list[tuple[int, int]]:
    """Where tiles begin and end along one side."""
    if size <= tile:
        return [(0, size)]
    overlap = math.ceil(overlap / alignment) * alignment
    longest = tile // alignment * alignment
    count = math.ceil((size - overlap) / (longest - overlap))
    length = math.ceil((size + (count - 1) * overlap) / count / alignment) * alignment
    starts = [i * (size - length) // (count - 1) // alignment * alignment for i in range(count)]
    ends = [start + length for start in starts[:-1]]
    return list(zip(starts, [*ends, size], strict=True))


def _windows(spans: list[tuple[int, int]]) -> list[Tensor]:
    """Weights along one side, which sum to 1."""
    windows = [torch.ones(end - start) for start, end in spans]
    for (first, a), (second, b) in pairwise(zip(spans, windows, strict=True)):
        common = first[1] - second[0]
        place = (torch.arange(common) + 0.5) / common
        rising = torch.sin(math.pi / 2 * (2 * place - 0.5).clamp(0, 1)).square()
        a[-common:] *= 1 - rising
        b[:common] *= rising
    return windows


def _name(problem: Problem) -> str:
    return plain_name(type(problem.operator))
