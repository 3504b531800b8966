import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from invprior.denoisers.nlm import NLM
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
    result = NLM().denoise(x, 0.1)
    assert result.shape == x.shape
    assert result.isfinite().all()
    assert (result - x).abs().max() <= 1.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_dtype_determinism_and_input_untouched(dtype):
    x = random(3, 3, 13, 10, dtype=dtype)
    x[1] *= 0.1
    before, result = x.clone(), NLM().denoise(x, 0.1)
    assert result.dtype == dtype
    assert torch.equal(x, before)
    assert torch.equal(result, NLM().denoise(x, 0.1))
    for i in range(3):
        torch.testing.assert_close(result[i : i + 1], NLM().denoise(x[i : i + 1], 0.1))


@pytest.mark.parametrize("sigma", [1e-4, 1e-12, 1e-40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_noise_nothing_changes(sigma, dtype):
    x = random(1, 3, 12, 12, dtype=dtype)
    x[..., :4, :] = 0.5
    assert (NLM().denoise(x, sigma) - x).abs().max() < 10 * sigma + 1e-5


def test_flat_pictures_stay_flat():
    x = torch.full((1, 3, 9, 8), 0.3, dtype=torch.float64)
    torch.testing.assert_close(NLM().denoise(x, 0.1), x)


@pytest.mark.parametrize(("channels", "gain"), [(1, 6.5), (3, 8.0)])
def test_gains_on_a_picture(channels, gain):
    clean, y = noisy_crop(channels)
    error = (NLM().denoise(y, SIGMA) - clean).square().mean()
    assert 10 * torch.log10((y - clean).square().mean() / error) > gain


def test_is_the_weighted_mean_of_its_definition():
    """Written with loops, for one channel."""
    x, sigma, half, window = random(1, 1, 6, 5), 0.3, 1, 2
    denoiser = NLM(patch=3, window=window, strength=0.7)
    padded = torch.from_numpy(np.pad(x[0, 0].numpy(), half, mode="symmetric"))
    expected = torch.zeros(6, 5, dtype=x.dtype)
    for i in range(6):
        for j in range(5):
            total = weights = best = 0.0
            for k in range(max(0, i - window), min(6, i + window + 1)):
                for m in range(max(0, j - window), min(5, j + window + 1)):
                    if (k, m) == (i, j):
                        continue
                    a, b = padded[i : i + 3, j : j + 3], padded[k : k + 3, m : m + 3]
                    distance = max(float((a - b).square().mean()) - 2 * sigma**2, 0.0)
                    weight = 2.718281828459045 ** (-distance / (0.7 * sigma) ** 2)
                    total, weights = total + weight * x[0, 0, k, m], weights + weight
                    best = max(best, weight)
            expected[i, j] = (total + best * x[0, 0, i, j]) / (weights + best)
    torch.testing.assert_close(denoiser.denoise(x, sigma)[0, 0], expected)


def test_refuses_bad_options():
    with pytest.raises(OptionError, match="odd"):
        NLM(patch=4)
    with pytest.raises(OptionError, match="window"):
        NLM(window=0)
