import pytest
import torch

from invprior.errors import OptionError
from invprior.noises.gaussian import GaussianNoise


def test_statistics():
    clean = torch.full((1, 1, 200, 200), 0.5)
    noise = GaussianNoise(sigma=0.1).sample(clean, torch.Generator().manual_seed(0)) - clean
    assert abs(noise.mean()) < 0.002
    assert float(noise.std()) == pytest.approx(0.1, rel=0.02)
    neighbours = (noise[..., 1:] * noise[..., :-1]).mean() / noise.var()
    assert abs(neighbours) < 0.02


def test_clip_and_quantise():
    clean = torch.linspace(0, 1, 10_000).view(1, 1, 100, 100)
    plain, clipped, rounded = (
        GaussianNoise(**options).sample(clean, torch.Generator().manual_seed(0))
        for options in ({}, {"clip": True}, {"quantise": True})
    )
    assert plain.min() < 0
    assert plain.max() > 1
    assert torch.equal(clipped, plain.clamp(0, 1))
    levels = 255 * rounded
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    assert (rounded - clipped).abs().max() <= 0.5 / 255 + 1e-6


def test_the_fidelity_uses_its_sigma():
    assert GaussianNoise(sigma=0.2).fidelity().sigma == 0.2


def test_sigma_must_not_be_negative():
    with pytest.raises(OptionError, match=r"sigma.*>= 0|sigma.*greater than or equal to 0"):
        GaussianNoise(sigma=-0.1)


def test_sigma_zero_adds_nothing_and_leaves_the_level_to_be_estimated():
    clean = torch.rand(1, 1, 5, 4)
    noise = GaussianNoise(sigma=0.0)
    assert torch.equal(noise.sample(clean, torch.Generator()), clean)
    assert noise.fidelity().sigma is None
