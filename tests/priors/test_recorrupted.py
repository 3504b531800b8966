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
            _, offset = source.draw(0, torch.empty(64, 64, 1), (64, 64), generator)
            n = offset[..., columns] / source.factor
            products.append(((noise + n) * (noise - source.factor * n)).mean())
        scale = float(noise.var())
        assert float(torch.stack(products).mean()) / scale == pytest.approx(0, abs=0.15)


def test_the_noise_stays_the_same_at_held_out_measurements_until_all_are_fitted():
    y = torch.full((1, 1, 64, 64), 0.5)
    y[..., 32:] = 0.02  # clipped, where the noises of input and target depend on each other
    y = (y + SIGMA * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    held = torch.rand((2, 1, 64, 64), generator=torch.Generator().manual_seed(1)) < 0.1
    options = NOISE, (SIGMA / NOISE) ** 2, 30 * SIGMA**2
    source = Recorruption(Denoise(SHAPE), *options, y, held)
    generator = torch.Generator().manual_seed(0)

    def draw(member):
        return source.draw(member, torch.empty(64, 64, 1), (64, 64), generator)[1]

    same = [draw(k) == draw(k) for k in range(2)]
    assert torch.equal(torch.cat(same)[..., :24], held[..., :24])
    assert not torch.cat(same)[..., 40:].any()
    kept = source.kept[source.kept != 0]
    assert float(kept.std()) == pytest.approx(NOISE, rel=0.15)
    assert torch.equal(draw(1)[same[1]], source.factor * source.kept[1:][same[1]])
    source.kept.zero_()
    assert not (draw(1) == draw(1)).any()
