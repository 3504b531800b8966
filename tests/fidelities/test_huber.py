import pytest
import torch

from invprior.errors import OptionError
from invprior.fidelities.gaussian import Gaussian
from invprior.fidelities.huber import Huber
from invprior.fidelities.laplace import Laplace


def test_small_residuals_are_least_squares_and_large_ones_absolute_values():
    y = torch.zeros(2, 50, dtype=torch.float64)
    small = torch.linspace(-0.1, 0.1, 100, dtype=torch.float64).view(2, 50)
    fidelity = Huber(sigma=0.1, delta=1.0)
    torch.testing.assert_close(fidelity.value(small, y), Gaussian(sigma=0.1).value(small, y))
    large = small + 3
    shift = 50 * 0.5  # delta^2 / 2 for each of them
    expected = Laplace(scale=0.1).value(large, y) - shift
    torch.testing.assert_close(fidelity.value(large, y), expected)


def test_an_open_sigma_is_set():
    fidelity = Huber(delta=2.0).with_noise_level(0.3)
    assert (fidelity.sigma, fidelity.delta) == (0.3, 2.0)
    assert Huber(sigma=0.7).with_noise_level(0.3).sigma == 0.7


def test_without_a_sigma_it_says_what_to_do():
    with pytest.raises(OptionError, match="no sigma yet: give one"):
        Huber().value(torch.zeros(1, 2), torch.zeros(1, 2))
    with pytest.raises(OptionError, match="delta"):
        Huber(delta=0.0)
