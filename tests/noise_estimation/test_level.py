import pytest
import torch

from invprior.noise_estimation.bands import bands_of
from invprior.noise_estimation.level import quietest


@pytest.mark.parametrize("size", [48, 256])
def test_the_quietest_blocks_of_white_noise_have_its_variance(size):
    generator = torch.Generator().manual_seed(0)
    image = 30 * torch.randn((size, size), generator=generator, dtype=torch.float64)
    known = torch.ones_like(image, dtype=torch.bool)
    bands = bands_of(image, known)
    assert quietest(bands, torch.ones_like(bands.high)) == pytest.approx(900, rel=0.35)
    image[:, : 3 * size // 4] += 300 * torch.randn((size, 3 * size // 4), generator=generator)
    textured = bands_of(image, known)
    bound = quietest(textured, torch.ones_like(textured.high))
    assert 900 * 0.8 < bound < 900 * 2
