import math

import pytest
import torch

from invprior.errors import OptionError
from invprior.fidelities.laplace import Laplace


def test_value():
    p, y = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 4.0], [0.0, 0.5]])
    assert Laplace(scale=0.5).value(p, y).tolist() == [6.0, 1.0]


def test_an_open_scale_is_set_from_the_standard_deviation():
    fidelity = Laplace().with_noise_level(0.3)
    noise = torch.distributions.Laplace(0.0, fidelity.scale)
    assert math.isclose(noise.stddev, 0.3, rel_tol=1e-6)
    assert Laplace(scale=0.7).with_noise_level(0.3).scale == 0.7


def test_without_a_scale_it_says_what_to_do():
    with pytest.raises(OptionError, match="no scale yet: give one"):
        Laplace().value(torch.zeros(1, 2), torch.zeros(1, 2))
    with pytest.raises(OptionError, match="scale"):
        Laplace(scale=0.0)
