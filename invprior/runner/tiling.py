"""A large image solved tile by tile: each tile a small problem, the results blended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from invprior.builders.solver import Selection, select_solver
from invprior.checkpoint.checkpoint import Checkpoint
from invprior.memory.tiles import divided
from invprior.numerics.random import derived_seed
from invprior.problem.problem import Problem
from invprior.problem.solution import DivergedError, Interrupted, Solution, batch
from invprior.provenance import provenance
from invprior.registry.spec import Spec
from invprior.runner.history import Callback
from invprior.runner.options import RunOptions
from invprior.runner.run import Run
from invprior.solvers.base import Solver
from invprior.stopping.base import StoppingRule


def solve_in_tiles(
    problem: Problem,
    solver: str | Spec | Solver | Selection = "auto",
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
    options = RunOptions(
        stop=stop,
        x0=x0,
        seed=seed,
        callbacks=callbacks,
        record_every=record_every,
        checkpoint=checkpoint,
    )
    return run_in_tiles(select_solver(problem, solver), options, tile=tile, overlap=overlap)


def run_in_tiles(selection: Selection, options: RunOptions, *, tile: int, overlap: int) -> Solution:
    """Run a selected solver tile by tile; arguments and errors as for `solve_in_tiles`."""
    problem, solver, x0 = selection.problem, selection.solver, options.x0
    tiles, parts = divided(problem, tile=tile, overlap=overlap)
    rule = options.stop or solver.default_stop(problem)
    record = provenance(problem, solver, selection.why, rule, options.seed)
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
        kept = options.checkpoint
        own = replace(
            options,
            x0=None if x0 is None else one.box.of(x0),
            seed=derived_seed(options.seed, "tile", str(index)),
            checkpoint=None if kept is None else kept.within(f"tile-{index + 1}"),
            part=True,
        )
        run = Run(selection.on(part), own)
        try:
            done.append(run.solve())
        except (DivergedError, Interrupted) as error:
            done += [error.solution] if error.solution else []
            error.solution = blended() if done else None
            raise
    return blended()
