import pytest
import torch

from invprior.errors import OptionError
from invprior.noises.poisson import PoissonNoise


@pytest.mark.parametrize("peak", [2.0, 50.0])
def test_mean_and_variance_are_those_of_counts(peak):
    clean = torch.full((1, 1, 200, 200), 0.5)
    y = PoissonNoise(peak=peak).sample(clean, torch.Generator().manual_seed(0))
    assert float(y.mean()) == pytest.approx(0.5, rel=0.02)
    assert float(y.var()) == pytest.approx(0.5 / peak, rel=0.03)
    assert torch.allclose(y * peak, (y * peak).round(), atol=1e-4)


def test_negative_intensities_count_as_zero():
    clean = torch.full((1, 1, 9, 9), -0.5)
    assert PoissonNoise().sample(clean, torch.Generator()).abs().max() == 0


def test_the_fidelity_uses_its_options():
    assert PoissonNoise(peak=9.0).fidelity().peak == 9
    made = PoissonNoise(gain=4.0, offset=100.0).filled_in().fidelity()
    assert (made.peak, made.gain, made.offset) == (None, 4, 100)


def test_gain_and_offset_are_those_of_a_camera():
    clean = torch.full((1, 1, 200, 200), 140.0)
    y = PoissonNoise(gain=4.0, offset=100.0).sample(clean, torch.Generator().manual_seed(0))
    assert float(y.mean()) == pytest.approx(140, rel=0.01)
    assert float(y.var()) == pytest.approx(4 * 40, rel=0.03)
    assert torch.equal((y - 100) % 4, torch.zeros_like(y))
    with pytest.raises(OptionError, match="must not both be given"):
        PoissonNoise(peak=1.0, gain=2.0)


def test_peak_must_be_positive():
    with pytest.raises(OptionError, match="peak"):
        PoissonNoise(peak=-1.0)
