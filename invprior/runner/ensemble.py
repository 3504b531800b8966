"""Ensembles: several runs of a prior that draws random numbers, and whether they agree."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from invprior.errors import OptionError
from invprior.numerics.random import derived_seed
from invprior.problem.problem import Problem
from invprior.problem.solution import DivergedError, Interrupted, Solution, batch

_OUTLIER = 3.0  # times the median distance to the nearest run
_VISIBLE = 5 / 255  # smaller differences between images are invisible


def check(runs: int, problem: Problem) -> None:
    """Refuse runs that would be copies of each other.

    Raises:
        OptionError: `runs` is not a positive integer, or is above 1 for a prior that draws no random numbers.
    """
    if isinstance(runs, bool) or not isinstance(runs, int) or runs < 1:
        raise OptionError(f'The option "runs" must be an integer >= 1; got {runs!r}.')
    if runs > 1 and problem.reparameterization is None:
        raise OptionError(
            f'The option "runs" must be 1 for a prior that draws no random numbers; got {runs}. Each run would give '
            "the same image; use a prior such as dip, or leave runs out."
        )


def seeds(seed: int, runs: int) -> list[int]:
    """Return the runs' seeds: the given one, then seeds derived from it that do not depend on `runs`."""
    return [seed, *(derived_seed(seed, "run", str(i)) for i in range(1, runs))]


def repeat(run: Callable[[int, int], Solution], problem: Problem, seed: int, runs: int) -> Solution:
    """Call `run(index, seed)` for each run and join the solutions.

    Raises:
        InvpriorError: `run` raises it.
        DivergedError, Interrupted: `run` raises them; their `solution` joins the runs so far.
    """
    done: list[Solution] = []
    for index, own in enumerate(seeds(seed, runs)):
        try:
            done.append(run(index, own))
        except (DivergedError, Interrupted) as error:
            if runs_so_far := [*done, *([error.solution] if error.solution else [])]:
                error.solution = joined(runs_so_far, problem.noise_level)
            raise
    return joined(done, problem.noise_level)


def joined(members: list[Solution], noise_level: float) -> Solution:
    """Return the mean and the standard deviation of runs, with a note when they disagree.

    Args:
        members: the runs' solutions, each x (1, C, H, W); a single one has no deviation.
        noise_level: standard deviation of the noise in the measurement.
    """
    # For the stop, the sums and the notes. The x that it stacks is not used for several runs.
    whole = batch(members)
    if len(members) == 1:
        return replace(whole, members=tuple(members))
    images = torch.stack([m.x for m in members])
    notes = list(whole.notes)
    if (note := disagreement(images, noise_level)) is not None:
        logging.getLogger("invprior").warning("%s", note)
        notes.append(note)
    return Solution(
        images.mean(0),
        whole.stop,
        whole.steps,
        whole.seconds,
        whole.history,
        whole.provenance,
        notes=tuple(notes),
        choices=whole.choices,
        deviation=images.std(0),
        members=tuple(members),
    )


def disagreement(images: Tensor, noise_level: float) -> str | None:
    """Return a sentence when runs disagree, else None.

    They disagree in two cases. With three runs or more, the distance of one run to the nearest other run is above
    three times the median of these distances. Or the root mean square of their standard deviation over the image is
    above the noise in the measurement: the choice of a run then changes more than the noise did. Differences below
    5/255 do not count.

    Args:
        images: the image of each run, (R, B, C, H, W).
        noise_level: standard deviation of the noise in the measurement.
    """
    flat = images.detach().flatten(1).double()
    scale = flat.shape[1] ** 0.5
    # Not by a matrix product: for runs that nearly agree, its distances would be rounding errors.
    distances = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist") / scale
    # A NaN distance becomes infinite, so that a run of NaN is the outlier.
    nearest = distances.fill_diagonal_(torch.inf).nan_to_num(torch.inf, torch.inf).amin(1)
    median, (largest, which) = float(nearest.median()), (float(v) for v in nearest.max(0))
    if len(flat) > 2 and largest > max(_OUTLIER * median, _VISIBLE):
        return (
            f"the runs disagree: run {int(which) + 1} is at a distance of {largest:.3g} from the nearest other run, "
            f"and the median of these distances is {median:.3g}; look at the members before you use the mean"
        )
    spread = float(flat.var(0).mean().sqrt())
    if not spread <= max(noise_level, _VISIBLE):  # written so that NaN is disagreement
        return (
            f"the runs disagree: their standard deviation is {spread:.3g}, above the noise, {noise_level:.3g}; "
            "allow more steps, or trust the image only where the deviation is small"
        )
    return None
