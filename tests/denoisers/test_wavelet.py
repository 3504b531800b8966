import pytest
import torch

from invprior.denoisers.wavelet import WaveletDenoiser
from invprior.errors import OptionError


def random(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("wavelet", ["haar", "db4", "bior4.4"])
def test_knows_how_much_noise_each_band_holds(wavelet):
    """BayesShrink removes pure noise completely; 5 sigma removes all but its lowpass part."""
    noise = torch.randn(1, 1, 96, 96, generator=torch.Generator().manual_seed(0)).double()
    for denoiser in (
        WaveletDenoiser(wavelet=wavelet),
        WaveletDenoiser(wavelet=wavelet, threshold=5),
    ):
        assert denoiser.denoise(noise, 1.0).square().mean() < 0.02


def test_is_the_mean_over_shifts_of_thresholding_in_a_basis():
    from invprior.priors.wavelet import Wavelet

    x, basis = random(1, 1, 4, 4), Wavelet(wavelet="haar", levels=2)
    shifts = [(i, j) for i in range(4) for j in range(4)]
    expected = sum(
        basis.prox(x.roll(s, (-2, -1)), 0.2).roll((-s[0], -s[1]), (-2, -1)) for s in shifts
    )
    result = WaveletDenoiser(wavelet="haar", levels=2, threshold=2.0).denoise(x, 0.1)
    torch.testing.assert_close(result, expected / len(shifts))


def test_refuses_bad_options():
    with pytest.raises(OptionError, match="did you mean"):
        WaveletDenoiser(wavelet="sim8")
    with pytest.raises(OptionError, match="threshold"):
        WaveletDenoiser(threshold=0)
