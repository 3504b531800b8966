"""Tests of BM3D as a denoiser, alone, in pnp and in red."""

import pytest
import torch
from invprior_bm3d import BM3D

import invprior
from invprior import samples
from invprior.testing import parametrize_checks


@parametrize_checks(BM3D(profile="lc"))  # the fastest profile; all share their code
def test_bm3d(check):
    check()


def noisy(name, size, sigma):
    truth = samples.load(name, size).x.double()
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0), dtype=truth.dtype)
    return truth, truth + sigma * noise


def error(x, truth):
    return float((x - truth).square().mean().sqrt())


def test_colour_channels_are_filtered_together():
    """CBM3D beats BM3D of each channel, which is its purpose."""
    truth, y = noisy("astronaut", 48, 0.1)
    together = error(BM3D().denoise(y, 0.1), truth)
    apart = error(torch.cat([BM3D().denoise(y[:, c : c + 1], 0.1) for c in range(3)], 1), truth)
    assert together < 0.9 * apart
    assert apart < 0.8 * error(y, truth)


@pytest.mark.parametrize("profile", ["np", "lc", "high", "vn"])
def test_every_profile_removes_noise(profile):
    truth, y = noisy("camera", 24, 0.1)
    assert error(BM3D(profile=profile).denoise(y, 0.1), truth) < 0.7 * error(y, truth)


@pytest.mark.parametrize("profile", ["high", "vn"])
def test_larger_blocks_accept_small_images(profile):
    x = torch.full((1, 3, 2, 9), 0.4)
    assert torch.allclose(BM3D(profile=profile).denoise(x, 0.1), x, atol=1e-3)


def test_a_grey_image_in_three_channels_is_accepted():
    """The package's own colour transform divides by the range of each channel."""
    truth, y = noisy("camera", 24, 0.1)
    grey, colour = (BM3D().denoise(t, 0.1) for t in (y, y.expand(-1, 3, -1, -1)))
    assert error(colour, truth) < error(y, truth)
    assert torch.allclose(colour[:, :1], colour[:, 1:2])
    assert grey.shape == truth.shape


def test_an_image_that_is_not_finite_becomes_nan():
    x = torch.full((2, 1, 16, 16), 0.5)
    x[0, 0, 3, 3] = torch.nan
    cleaned = BM3D().denoise(x, 0.1)
    assert cleaned[0].isnan().all()
    assert torch.allclose(cleaned[1], x[1], atol=1e-3)


@pytest.mark.parametrize(
    ("prior", "solver"),
    [
        ("pnp:denoiser=bm3d,weight=0.2", "hqs"),
        ("red:denoiser=bm3d(profile=lc),weight=100", "fista"),
    ],
)
def test_it_restores_by_its_registered_name(prior, solver):
    truth = samples.load("camera", 24).x
    y, denoise = invprior.simulate(truth, operator="denoise", noise="gaussian:sigma=0.1")
    solution = invprior.solve(y, operator=denoise, prior=prior, solver=solver, steps=2)
    assert error(solution.x, truth) < error(y, truth)
    assert solution.provenance["plugins"] == {"invprior-bm3d": "0.1.0"}
