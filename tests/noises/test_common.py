"""What every built-in noise promises."""

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
def test_only_the_generator_decides(noise):
    clean = torch.full((2, 3, 9, 7), 0.4)
    state = torch.get_rng_state()
    first = drawn(noise, clean)
    assert torch.equal(first, drawn(noise, clean))
    assert not torch.equal(first, drawn(noise, clean, seed=1))
    assert not torch.equal(first[0], first[1])
    assert torch.equal(torch.get_rng_state(), state)
    assert (clean == 0.4).all()


@each
def test_both_precisions_get_the_same_noise(noise):
    clean = torch.full((1, 3, 16, 16), 0.25, dtype=torch.float64)
    double, single = drawn(noise, clean), drawn(noise, clean.float())
    assert (double.dtype, single.dtype) == (torch.float64, torch.float32)
    torch.testing.assert_close(single.double(), double, atol=1e-6, rtol=0)


@each
def test_any_shape(noise):
    assert drawn(noise, torch.full((2, 11), 0.5)).shape == (2, 11)


@each
def test_the_fidelity_has_a_value(noise):
    clean = torch.full((1, 1, 64, 64), 0.5)
    y = drawn(noise, clean)
    fidelity = noise.fidelity()
    assert fidelity.value(clean, y) < fidelity.value(clean + 0.2, y)
    assert fidelity.value(clean, y) < fidelity.value(clean - 0.2, y)
    # A negative log-likelihood is of the order of the number of measurements when the model fits.
    assert 0.2 < float(fidelity.value(clean, y)) / clean.numel() < 1.5
