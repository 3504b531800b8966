"""Large images solved tile by tile: each tile is a small problem, and the results are blended."""

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
from invprior.runner.units import options_for_run, solution_in_data_units
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

    Each tile is a separate problem with its own seed and its own stop. Weights that sum to 1 blend the results. Use
    `solve_problem` where memory allows, since a tile ignores the image around it.

    Args:
        problem: the problem, whose operator acts locally.
        solver: the solver.
        tile: largest height and width of a tile, in pixels, more than twice the overlap.
        overlap: smallest overlap of neighbours, in pixels, at least four times the operator's halo.
        stop: each tile's stopping rule; by default that of `solve_problem`.
        x0: the initial estimate, (1, C, H, W).
        seed: the seed from which the tiles' seeds are derived.
        callbacks: each is called with the iterates of every tile.
        record_every: as for `solve_problem`; the history is the first tile's.
        checkpoint: stores finished tiles and the state of the current one.

    Returns:
        The image; its provenance records the tiles.

    Raises:
        OptionError: tile or overlap is too small.
        IncompatibleError: the operator does not act locally, or no pixel of a tile is known.
        DivergedError, Interrupted: their `solution` is the image so far, with x0 or a pseudo-inverse elsewhere.
    """
    options = RunOptions(
        stop=stop,
        x0=x0,
        seed=seed,
        callbacks=callbacks,
        record_every=record_every,
        checkpoint=checkpoint,
    )
    selection = select_solver(problem, solver)
    units = selection.problem.units
    own = options_for_run(options, units)
    try:
        solution = run_in_tiles(selection, own, tile=tile, overlap=overlap)
    except (DivergedError, Interrupted) as error:
        error.solution = error.solution and solution_in_data_units(error.solution, units)
        if checkpoint is not None and isinstance(error, DivergedError):
            checkpoint.remove()  # it would diverge again
        raise
    if checkpoint is not None:
        checkpoint.remove()
    return solution_in_data_units(solution, units)


def run_in_tiles(selection: Selection, options: RunOptions, *, tile: int, overlap: int) -> Solution:
    """Run a selected solver tile by tile; arguments and errors are those of `solve_in_tiles`."""
    problem, solver, x0 = selection.problem, selection.solver, options.x0
    tiles, parts = divided(problem, tile=tile, overlap=overlap)
    # For the record only. Each tile takes its own default: it may have too few measurements for the image's rule.
    rule = options.rule(solver, problem)
    record = provenance(problem, solver, selection.why, rule, options.seed)
    record["tiles"] = {"tile": tile, "overlap": overlap, "count": len(tiles)}
    done: list[Solution] = []

    def blended() -> Solution:
        x = problem.y.new_zeros(1, *problem.operator.image_shape)
        weight = x.new_zeros(x.shape[-2:])
        for solution, one in zip(
            done, tiles, strict=False
        ):  # fewer solutions after an interruption
            window = one.window.to(x)
            one.box.of(x).add_(window * solution.x)
            one.box.of(weight).add_(window)
        if len(done) < len(tiles):
            # After an interruption, windows sum to less than 1; clamped, as they may round above it.
            x += (1 - weight).clamp_min(0) * (problem.pseudo_inverse() if x0 is None else x0.to(x))
        # Tiles are no images of a batch, so the solution does not list them.
        return replace(batch(done), x=x, provenance=record, images=())

    for index, (one, part) in enumerate(zip(tiles, parts, strict=True)):
        store = options.checkpoint
        own = replace(
            options,
            x0=None if x0 is None else one.box.of(x0),
            seed=derived_seed(options.seed, "tile", str(index)),
            checkpoint=None if store is None else store.within(f"tile-{index + 1}"),
            part=True,
            place=options.place._replace(tile=index),
        )
        run = Run(selection.on(part), own)
        try:
            done.append(run.solve())
        except (DivergedError, Interrupted) as error:
            done += [error.solution] if error.solution else []
            error.solution = blended() if done else None
            raise
    return blended()
