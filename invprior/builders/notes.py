"""Notes on a given noise level that cannot be meant."""

from __future__ import annotations

import torch
from torch import Tensor

from invprior.fidelities.poisson import Poisson
from invprior.noises.base import Noise
from invprior.noises.gaussian import GaussianNoise
from invprior.problem.problem import Problem

_FEWEST = 16  # measurements, below which a range says little


def missing_notes(y: Tensor) -> tuple[str, ...]:
    """Return a sentence with the number of missing values, those that are not finite."""
    count = int((~y.isfinite()).sum())
    if not count:
        return ()
    return (
        f"{count:,} of {y.numel():,} values are missing (NaN or infinite) and are left out of the fit",
    )


def noise_notes(problem: Problem, noise: Noise | None) -> tuple[str, ...]:
    """Return a sentence for each way in which the given noise level does not suit the measurement.

    Args:
        problem: the problem of a whole measurement; a tile may be flat.
        noise: the noise that the fidelity was made from; None for none.
    """
    if isinstance(noise, GaussianNoise) and noise.sigma == 0:
        # Least squares would have an infinite weight.
        return (
            f"sigma=0 cannot be the noise of a restoration, so a sigma of {problem.noise_level:.3g} is estimated "
            f"from y; to fit y more closely, give a smaller one such as gaussian:sigma={problem.noise_level / 10:.1g}",
        )
    poisson = isinstance(problem.fidelity, Poisson)
    given = problem.noise is None or (poisson and problem.noise.uncertainty == 0)
    if not given or problem.measurements < _FEWEST:
        return ()
    y, mask = problem.y, problem.observation_mask
    values = y if mask is None else y[mask.expand(y.shape)]
    values = torch.view_as_real(values) if values.is_complex() else values
    low, high = float(values.min()), float(values.max())
    # A flat measurement is no contradiction: its restoration is flat.
    if not 0 < high - low < problem.noise_level:
        return ()
    unit = (
        "peak is the expected count at intensity 1 of the data, and gain is 1 / peak: for photon counts divided by 255 "
        "peak is 255"
        if poisson
        else "sigma is in units of the data: for data in [0, 1], 25 of 255 is 0.098"
    )
    return (
        f"the given noise, of standard deviation {problem.noise_level:.3g}, exceeds the range of the measurement, "
        f"{low:.3g} to {high:.3g}; {unit}",
    )
