"""The noise that a network sees on a measurement beside the noise that its fit takes away."""

import pytest
import torch

from invprior.operators.blur import Blur
from invprior.operators.denoise import Denoise
from invprior.priors._recorrupted import Recorruption

SHAPE, SIGMA, NOISE = (1, 64, 64), 0.2, 0.14


@pytest.mark.parametrize("operator", [Denoise(SHAPE), Blur(SHAPE, sigma=0.1)])
@pytest.mark.parametrize("clipped", [False, True])
def test_the_noise_of_input_and_target_is_uncorrelated_also_where_it_was_clipped(operator, clipped):
    generator = torch.Generator().manual_seed(0)
    x = torch.full((1, 1, 64, 64), 0.5)
    x[..., 32:] = 0.02  # nearly half of the noise is clipped
    y = x + SIGMA * torch.randn(x.shape, generator=generator)
    if clipped:
        y = y.clamp(0, 1)
    source = Recorruption(operator, NOISE, (SIGMA / NOISE) ** 2, 30 * SIGMA**2, y)
    for columns in (slice(0, 24), slice(40, 64)):
        noise = (y - x)[..., columns]
        noise = noise - noise.mean()
        products = []
        for _ in range(20):
            _, offset = source.draw(torch.empty(64, 64, 1), (64, 64), generator)
            n = offset[..., columns] / source.factor
            products.append(((noise + n) * (noise - source.factor * n)).mean())
        scale = float(noise.var())
        assert float(torch.stack(products).mean()) / scale == pytest.approx(0, abs=0.15)
