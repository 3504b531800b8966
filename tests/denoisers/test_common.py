"""Properties of every built-in denoiser, beyond the checks of the conformance kit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from invprior.denoisers.bilateral import Bilateral
from invprior.denoisers.nl_ridge import NLRidge
from invprior.denoisers.nlm import NLM
from invprior.denoisers.tv import TVDenoiser
from invprior.denoisers.wavelet import WaveletDenoiser

SIGMA = 25 / 255
DENOISERS = [Bilateral(), NLM(), NLRidge(), TVDenoiser(), WaveletDenoiser()]
every = pytest.mark.parametrize("denoiser", DENOISERS, ids=lambda d: type(d).__name__)


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


@every
@settings(deadline=None, max_examples=10)
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3, 4]))
def test_any_size_and_channels(denoiser, height, width, channels):
    x = random(1, channels, height, width)
    result = denoiser.denoise(x, 0.1)
    assert result.shape == x.shape
    assert result.isfinite().all()
    assert (result - x).abs().max() <= 1.0


@every
@pytest.mark.parametrize("sigma", [1e-4, 1e-12, 1e-40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_noise_nothing_changes(denoiser, sigma, dtype):
    x = random(1, 3, 12, 12, dtype=dtype)
    x[..., :4, :] = 0.5
    assert (denoiser.denoise(x, sigma) - x).abs().max() < 10 * sigma + 1e-5


@every
def test_flat_images_stay_flat(denoiser):
    x = torch.full((1, 3, 9, 8), 0.3, dtype=torch.float64)
    torch.testing.assert_close(denoiser.denoise(x, 0.1), x)


GAINS = [  # dB on grey and on colour
    (Bilateral(), 5.0, 7.0),
    (NLM(), 6.5, 8.0),
    (NLRidge(), 7.5, 9.5),
    (WaveletDenoiser(wavelet="haar"), 6.0, 7.5),
    (WaveletDenoiser(wavelet="sym8"), 6.0, 7.5),
    (WaveletDenoiser(wavelet="bior4.4"), 6.0, 7.5),
]


@pytest.mark.parametrize(("denoiser", "grey", "colour"), GAINS)
def test_gains_on_an_image(denoiser, grey, colour):
    for channels, gain in ((1, grey), (3, colour)):
        clean, y = noisy_crop(channels)
        error = (denoiser.denoise(y, SIGMA) - clean).square().mean()
        assert 10 * torch.log10((y - clean).square().mean() / error) > gain


@every
@pytest.mark.parametrize("channels", [1, 3])
def test_rows_and_columns_are_denoised_alike(denoiser, channels):
    """Against an identity, which leaves all of the error."""
    clean = torch.full((1, channels, 1, 400), 0.2, dtype=torch.float64)
    clean[..., 200:] = 0.7
    noise = torch.randn(
        clean.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    y = clean + 0.1 * noise
    found = denoiser.denoise(y, 0.1)
    assert (found - clean).square().mean() < 0.3 * (y - clean).square().mean()
    torch.testing.assert_close(denoiser.denoise(y.mT, 0.1), found.mT, rtol=1e-3, atol=1e-3)


@every
@pytest.mark.parametrize("shape", [(2, 200), (5, 100), (16, 300)])
def test_elongated_images_are_denoised_alike(denoiser, shape):
    clean = torch.full((1, 1, *shape), 0.2, dtype=torch.float64)
    clean[..., shape[1] // 2 :] = 0.7
    noise = torch.randn(
        clean.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    y = clean + 0.1 * noise
    found = denoiser.denoise(y, 0.1)
    assert (found - clean).square().mean() < 0.25 * (y - clean).square().mean()
    torch.testing.assert_close(denoiser.denoise(y.mT, 0.1), found.mT, rtol=1e-3, atol=1e-3)


@every
@pytest.mark.parametrize("shape", [(2, 3), (1, 2), (2, 1)])
def test_tiny_images_are_changed_and_a_single_pixel_is_not(denoiser, shape):
    y = 0.5 + 0.1 * random(1, 1, *shape)
    found = denoiser.denoise(y, 0.1)
    assert found.std() < 0.9 * y.std()
    torch.testing.assert_close(denoiser.denoise(y[..., :1, :1], 0.1), y[..., :1, :1])
