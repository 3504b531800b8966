"""Several runs of a prior that draws random numbers: their mean, their spread, and whether they agree."""

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

_FAR = 3.0  # times the median distance: what sets one run apart
_VISIBLE = 5 / 255  # below this, a difference between images is not seen


def check(runs: int, problem: Problem) -> None:
    """Refuse repetitions that would be copies of each other.

    Raises:
        OptionError: `runs` is no whole number above 0, or there is more than one and the prior draws nothing.
    """
    if isinstance(runs, bool) or not isinstance(runs, int) or runs < 1:
        raise OptionError(f'The option "runs" must be a whole number >= 1; got {runs!r}.')
    if runs > 1 and problem.reparameterization is None:
        raise OptionError(
            f'The option "runs" must be 1 for a prior that draws no random numbers; got {runs}. Each run would give '
            "the same image; use a prior such as dip, or leave runs out."
        )


def seeds(seed: int, runs: int) -> list[int]:
    """The runs' seeds: the given one first, the others derived from it, the same for any number of runs."""
    return [seed, *(derived_seed(seed, "run", str(i)) for i in range(1, runs))]


def repeat(run: Callable[[int, int], Solution], problem: Problem, seed: int, runs: int) -> Solution:
    """Call `run(index, seed)` for each run and join them.

    Raises:
        InvpriorError: as `run` does.
        DivergedError, Interrupted: with the runs so far in their `solution`.
    """
    done: list[Solution] = []
    for index, own in enumerate(seeds(seed, runs)):
        try:
            done.append(run(index, own))
        except (DivergedError, Interrupted) as error:
            if kept := [*done, *([error.solution] if error.solution else [])]:
                error.solution = joined(kept, problem.noise_level)
            raise
    return joined(done, problem.noise_level)


def joined(members: list[Solution], noise_level: float) -> Solution:
    """Take the mean and the standard deviation of the runs, and say if they disagree.

    Args:
        members: the runs' own solutions, each x (1, C, H, W); a single one has no deviation.
        noise_level: standard deviation of the noise in the measurement.
    """
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
    """Say whether runs disagree, in one sentence; None when they do not.

    They disagree when one ended elsewhere, its distance to the nearest other run being above three times the median
    of these distances (from three runs on); or when their standard deviation, root mean square over the image, is
    above the noise in the measurement, so that which run one takes changes more than the noise did. Differences below
    5/255 do not count.

    Args:
        images: one for each run, (R, B, C, H, W).
        noise_level: standard deviation of the noise in the measurement.
    """
    flat = images.detach().flatten(1).double()
    scale = flat.shape[1] ** 0.5
    apart = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist") / scale
    nearest = apart.fill_diagonal_(torch.inf).nan_to_num(torch.inf, torch.inf).amin(1)
    usual, (far, which) = float(nearest.median()), (float(v) for v in nearest.max(0))
    if len(flat) > 2 and far > max(_FAR * usual, _VISIBLE):
        return (
            f"the runs disagree: run {int(which) + 1} ended at a distance of {far:.3g} from the nearest other, "
            f"which is {usual:.3g} for most; look at the members before you use the mean"
        )
    spread = float(flat.var(0).mean().sqrt())
    if not spread <= max(noise_level, _VISIBLE):  # NaN is no agreement
        return (
            f"the runs disagree: their standard deviation is {spread:.3g}, above the noise, {noise_level:.3g}; "
            "allow more steps, or trust the image only where the deviation is small"
        )
    return None
