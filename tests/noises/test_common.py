"""Tests of every built-in noise model, in addition to the conformance kit."""

import pytest
import torch

from invprior.noises.gaussian import GaussianNoise
from invprior.noises.poisson import PoissonNoise
from invprior.noises.salt_and_pepper import SaltAndPepperNoise

each = pytest.mark.parametrize(
    "noise", [GaussianNoise(), PoissonNoise(), SaltAndPepperNoise()], ids=lambda n: type(n).__name__
)


def drawn(noise, clean, seed=0):
    return noise.sample(clean, torch.Generator().manual_seed(seed))


@each
def test_the_fidelity_is_least_at_the_truth(noise):
    clean = torch.full((1, 1, 64, 64), 0.5)
    y = drawn(noise, clean)
    fidelity = noise.filled_in().fidelity()
    assert fidelity.value(clean, y) < fidelity.value(clean + 0.2, y)
    assert fidelity.value(clean, y) < fidelity.value(clean - 0.2, y)
    # A negative log-likelihood is of the order of the number of measurements when the model fits.
    assert 0.2 < float(fidelity.value(clean, y)) / clean.numel() < 1.5
