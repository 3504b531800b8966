import re

import pytest
import torch

from invprior import build, samples, simulate
from invprior.noise_estimation.poisson import estimate_poisson


def counted(name, noise, operator="denoise"):
    y, made = simulate(samples.load(name, 192).x, operator=operator, noise=noise)
    return y, made.observation_mask


@pytest.mark.parametrize("name", ["astronaut", "camera", "chelsea"])
@pytest.mark.parametrize("peak", [10, 100])
def test_the_gain_of_natural_images(name, peak):
    found = estimate_poisson(*counted(name, f"poisson:peak={peak}"))
    assert found.peak == pytest.approx(peak, rel=0.1)
    assert found.note is None


def test_through_a_mask():
    y, observation_mask = counted("astronaut", "poisson:peak=50", "inpaint:keep=0.5")
    found = estimate_poisson(y, observation_mask)
    assert found.peak == pytest.approx(50, rel=0.1)
    mean = float(y[observation_mask.expand(y.shape)].mean())
    assert found.sigma == pytest.approx((mean / found.peak) ** 0.5)


def test_values_at_the_top_do_not_count():
    y, _ = counted("coffee", "poisson:peak=30")
    assert estimate_poisson((1.5 * y).clamp_max(1)).peak == pytest.approx(20, rel=0.1)


def test_gaussian_noise_is_recognised():
    found = estimate_poisson(*counted("chelsea", "gaussian:sigma=0.1"))
    assert "does not grow with the intensity" in found.note
    assert "give poisson:peak=... if you know it" in found.note


@pytest.mark.parametrize(
    "y", [torch.zeros(1, 3, 32, 32), torch.zeros(1, 1, 3, 3), torch.zeros(1, 9)]
)
def test_darkness_gives_an_assumed_peak(y):
    found = estimate_poisson(y)
    assert found.peak == 255
    assert "shows no light" in found.note


@pytest.mark.parametrize("shape", [(1, 1, 1, 400), (1, 1, 400, 1), (1, 1, 7, 7), (1, 400)])
def test_too_small_an_image_gives_an_assumed_peak_for_that_reason(shape):
    found = estimate_poisson(torch.full(shape, 0.5))
    assert found.peak == 255 / 0.5
    assert "no image of at least 8 x 8" in found.note


@pytest.mark.parametrize("background", [0.0, 0.37, 0.5, 1.0])
def test_constant_areas_do_not_count(background):
    y, _ = counted("camera", "poisson:peak=30")
    framed = torch.full((1, 1, 320, 320), background)
    framed[..., 64:256, 64:256] = y
    found = estimate_poisson(framed)
    assert found.peak == pytest.approx(30, rel=0.1)
    assert found.note is None


def camera_counts(name, gain, offset, peak=500):
    """12-bit counts of a camera with a pedestal."""
    light = torch.poisson(peak * samples.load(name, 128).x.double(), torch.manual_seed(0))
    return (gain * light + offset).round().clamp(0, 4095)


@pytest.mark.parametrize(("scale", "gain"), [(1e-3, 5.0), (1.0, 5.0), (1 / 4095, 5.0), (16.0, 2.0)])
@pytest.mark.parametrize("name", ["camera", "coffee"])
def test_the_gain_of_counts_at_any_scale(name, gain, scale):
    own = estimate_poisson(camera_counts(name, gain, 100), None, 100.0)
    assert 1 / own.peak == pytest.approx(gain, rel=0.1)
    found = estimate_poisson(scale * camera_counts(name, gain, 100), None, scale * 100)
    assert found.peak * scale == pytest.approx(own.peak, rel=1e-3)
    assert found.sigma == pytest.approx(scale * own.sigma, rel=1e-3)
    assert own.note is found.note is None


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_a_pedestal_is_named(scale):
    found = estimate_poisson(scale * camera_counts("astronaut", 4.0, 100))
    pedestal = float(re.search(r"poisson:offset=([\d.]+)", found.note)[1])
    assert pedestal == pytest.approx(100 * scale, rel=0.25)
    assert ("gain=..." if scale == 1 else "peak=...") in found.note


def test_a_problem_sets_an_open_peak_and_keeps_a_given_one():
    y, _ = counted("astronaut", "poisson:peak=40")
    (problem,) = build(y, prior="tv", noise="poisson")
    assert problem.fidelity.peak == problem.noise.peak == pytest.approx(40, rel=0.1)
    assert problem.noise_level == problem.noise.sigma
    (given,) = build(y, prior="tv", noise="poisson:peak=40")
    assert given.fidelity.peak == 40
    assert given.noise_level == pytest.approx((float(y.mean()) / 40) ** 0.5)
    assert given.noise.text() == f"sigma {given.noise_level:.4g}"
