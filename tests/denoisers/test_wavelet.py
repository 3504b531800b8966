import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from invprior.denoisers.wavelet import WaveletDenoiser
from invprior.errors import OptionError

SIGMA = 25 / 255


def random(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)


def noisy_crop(channels):
    clean = torch.from_numpy(data.astronaut()[64:160, 160:256, :channels] / 255.0)
    clean = clean.permute(2, 0, 1)[None]
    noise = torch.randn(
        clean.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    return clean, clean + SIGMA * noise


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3, 4]))
def test_any_size_and_channels(height, width, channels):
    x = random(1, channels, height, width)
    result = WaveletDenoiser().denoise(x, 0.1)
    assert result.shape == x.shape
    assert result.isfinite().all()
    assert (result - x).abs().max() <= 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_dtype_determinism_and_input_untouched(dtype):
    x = random(3, 3, 13, 10, dtype=dtype)
    x[1] *= 0.1
    before, result = x.clone(), WaveletDenoiser().denoise(x, 0.1)
    assert result.dtype == dtype
    assert torch.equal(x, before)
    assert torch.equal(result, WaveletDenoiser().denoise(x, 0.1))
    for i in range(3):
        torch.testing.assert_close(result[i : i + 1], WaveletDenoiser().denoise(x[i : i + 1], 0.1))


@pytest.mark.parametrize("sigma", [1e-4, 1e-12, 1e-40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_noise_nothing_changes(sigma, dtype):
    x = random(1, 3, 12, 12, dtype=dtype)
    x[..., :4, :] = 0.5
    assert (WaveletDenoiser().denoise(x, sigma) - x).abs().max() < 10 * sigma + 1e-5


def test_flat_pictures_stay_flat():
    x = torch.full((1, 3, 9, 8), 0.3, dtype=torch.float64)
    torch.testing.assert_close(WaveletDenoiser().denoise(x, 0.1), x)


@pytest.mark.parametrize(("channels", "gain"), [(1, 6.0), (3, 7.5)])
@pytest.mark.parametrize("wavelet", ["haar", "sym8", "bior4.4"])
def test_gains_on_a_picture(channels, gain, wavelet):
    clean, y = noisy_crop(channels)
    error = (WaveletDenoiser(wavelet=wavelet).denoise(y, SIGMA) - clean).square().mean()
    assert 10 * torch.log10((y - clean).square().mean() / error) > gain


@pytest.mark.parametrize("wavelet", ["haar", "db4", "bior4.4"])
def test_knows_how_much_noise_each_band_holds(wavelet):
    """Pure noise is taken away whole by BayesShrink, and all but its lowpass part by 5 sigma."""
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
