import numpy as np
import pytest
import torch

from invprior.denoisers.nlm import NLM
from invprior.errors import OptionError


def random(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)


def test_is_the_weighted_mean_of_its_definition():
    """The definition is written with loops, for one channel."""
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
