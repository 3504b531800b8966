"""A run in units of the image's range: data at any scale give the same result."""

import numpy as np
import pytest
import torch

from invprior import build, iterate, samples, solve, solve_problem
from invprior.errors import IncompatibleError, OptionError
from invprior.operators.base import Operator
from invprior.problem.functionals import Penalty
from invprior.problem.units import PHOTOGRAPH, DataRange, Units

SIDE = 24
# Scale and offset of the data. A prior whose minimum moves with an offset is tried without one.
SCALES = [(1e-3, 0.0), (255.0, 0.0), (4095.0, 0.0), (65535.0, 0.0), (1.0, 3.0)]
NOISE = 0.05


@pytest.fixture(scope="module")
def truth():
    return samples.load("camera", SIDE).x


def measured(truth, operator):
    """Return a noisy measurement of the truth, and the operator for an image of its shape."""
    from invprior.builders.problem import operator_for

    made = operator_for(operator, image=tuple(truth.shape[1:]))
    y = made(truth)
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    return y + NOISE * noise, made


NETWORK = "dip:net=skip(down=[8, 8], skip=2),precision=full"
PRIORS = {
    "tv": 20,
    "wavelet": 20,
    "tikhonov": 20,
    "tikhonov:order=0": 20,
    "none": 5,
    "pnp": 8,
    "red": 8,
    NETWORK: 15,
    f"{NETWORK} + tv": 15,
}
OPERATORS = ["denoise", "blur:sigma=1", "inpaint:keep=0.7", "downsample:factor=2"]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("prior", PRIORS)
def test_scaled_data_give_the_scaled_image(prior, operator, truth):
    y, made = measured(truth, operator)
    # Searches take long through an operator; they are tried where there is none.
    weight = "auto" if operator == "denoise" else "default"
    keep = {"operator": made, "prior": prior, "steps": PRIORS[prior], "weight": weight}
    expected = solve(y, noise=f"gaussian:sigma={NOISE}", **keep).x
    for scale, offset in SCALES:
        if offset and prior == "tikhonov:order=0":
            continue
        data = scale * y + offset * made(torch.ones_like(truth))
        found = solve(data, noise=f"gaussian:sigma={scale * NOISE}", **keep).x
        error = float(((found - offset) / scale - expected).square().mean().sqrt() / truth.std())
        assert error < 0.01, (scale, offset, error)
