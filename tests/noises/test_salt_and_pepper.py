import pytest
import torch

from invprior.errors import OptionError
from invprior.noises.salt_and_pepper import SaltAndPepperNoise


@pytest.mark.parametrize("fraction", [0.05, 0.5, 1.0])
def test_share_of_salt_and_of_pepper(fraction):
    clean = torch.full((1, 3, 100, 100), 0.5)
    y = SaltAndPepperNoise(fraction=fraction).sample(clean, torch.Generator().manual_seed(0))
    for value, share in ((0.0, fraction / 2), (1.0, fraction / 2), (0.5, 1 - fraction)):
        assert float((y == value).float().mean()) == pytest.approx(share, abs=0.01)


def test_the_scale_is_the_mean_absolute_error():
    clean = torch.rand(1, 1, 200, 200, generator=torch.Generator().manual_seed(1))
    noise = SaltAndPepperNoise(fraction=0.3)
    error = (noise.sample(clean, torch.Generator().manual_seed(0)) - clean).abs().mean()
    assert noise.fidelity().scale == pytest.approx(float(error), rel=0.03)


@pytest.mark.parametrize("fraction", [0.0, 1.1])
def test_fraction_must_lie_between_0_and_1(fraction):
    with pytest.raises(OptionError, match="fraction"):
        SaltAndPepperNoise(fraction=fraction)


def test_salt_and_pepper_are_in_the_units_of_the_data():
    clean = torch.full((1, 1, 60, 60), 100.0)
    noise = SaltAndPepperNoise(fraction=0.2, salt=255.0, pepper=20.0)
    y = noise.sample(clean, torch.Generator().manual_seed(0))
    assert y.unique().tolist() == [20, 100, 255]
    assert noise.fidelity().scale == pytest.approx(0.2 * 235 / 2)
    with pytest.raises(OptionError, match="salt=255,pepper=0"):
        SaltAndPepperNoise(salt=0.0)
