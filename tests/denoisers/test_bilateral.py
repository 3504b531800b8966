import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from invprior.denoisers.bilateral import Bilateral
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
    result = Bilateral().denoise(x, 0.1)
    assert result.shape == x.shape
    assert result.isfinite().all()
    assert (result - x).abs().max() <= 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_dtype_determinism_and_input_untouched(dtype):
    x = random(3, 3, 13, 10, dtype=dtype)
    x[1] *= 0.1
    before, result = x.clone(), Bilateral().denoise(x, 0.1)
    assert result.dtype == dtype
    assert torch.equal(x, before)
    assert torch.equal(result, Bilateral().denoise(x, 0.1))
    for i in range(3):
        torch.testing.assert_close(result[i : i + 1], Bilateral().denoise(x[i : i + 1], 0.1))


@pytest.mark.parametrize("sigma", [1e-4, 1e-12, 1e-40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_noise_nothing_changes(sigma, dtype):
    x = random(1, 3, 12, 12, dtype=dtype)
    x[..., :4, :] = 0.5
    assert (Bilateral().denoise(x, sigma) - x).abs().max() < 10 * sigma + 1e-5


def test_flat_pictures_stay_flat():
    x = torch.full((1, 3, 9, 8), 0.3, dtype=torch.float64)
    torch.testing.assert_close(Bilateral().denoise(x, 0.1), x)


@pytest.mark.parametrize(("channels", "gain"), [(1, 5.0), (3, 7.0)])
def test_gains_on_a_picture(channels, gain):
    clean, y = noisy_crop(channels)
    error = (Bilateral().denoise(y, SIGMA) - clean).square().mean()
    assert 10 * torch.log10((y - clean).square().mean() / error) > gain


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
