import pytest
import torch

from invprior.denoisers.bilateral import Bilateral
from invprior.errors import OptionError


def test_is_a_gaussian_blur_when_all_colours_count():
    x = torch.zeros(1, 1, 21, 21, dtype=torch.float64)
    x[..., 10, 10] = 1.0
    result = Bilateral(radius=3, sigma_spatial=1.0, strength=1e6).denoise(x, 1.0)[0, 0]
    line = torch.exp(-0.5 * torch.arange(-3.0, 4.0, dtype=torch.float64) ** 2)
    line /= line.sum()
    torch.testing.assert_close(result[7:14, 7:14], torch.outer(line, line), rtol=1e-8, atol=1e-12)
    assert result.sum() == pytest.approx(1.0)


def test_keeps_a_strong_edge():
    x = torch.zeros(1, 3, 8, 8, dtype=torch.float64)
    x[..., 4:] = 1.0
    assert (Bilateral().denoise(x, 0.05) - x).abs().max() < 1e-10


def test_refuses_bad_options():
    with pytest.raises(OptionError, match=r"radius[\s\S]*strength"):
        Bilateral(radius=0, strength=-1.0)
