import pytest
import torch

from invprior.noise_estimation.bands import bands_of


@pytest.mark.parametrize("share", [1.0, 0.5, 0.2])
def test_white_noise_has_its_variance_in_every_band(share):
    generator = torch.Generator().manual_seed(0)
    image = torch.randn((192, 192), generator=generator, dtype=torch.float64)
    bands = bands_of(image, torch.rand((192, 192), generator=generator) < share)
    for band in (bands.low, bands.middle):
        assert float(band.mean()) == pytest.approx(1, abs=0.05)
    assert float(
        (bands.degrees_of_freedom * bands.high).sum() / bands.degrees_of_freedom.sum()
    ) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_slope_is_low(share):
    slope = torch.linspace(0, 1, 64, dtype=torch.float64).expand(64, 64)
    known = torch.rand((64, 64), generator=torch.Generator().manual_seed(0)) < share
    bands = bands_of(slope, known)
    assert float(bands.high.max()) < 1e-3 * float(bands.low.min())


def test_a_small_or_empty_image_has_none():
    full = torch.ones((7, 64), dtype=torch.bool)
    assert bands_of(full.double(), full) is None
    empty = torch.zeros((64, 64), dtype=torch.bool)
    assert bands_of(empty.double(), empty) is None
