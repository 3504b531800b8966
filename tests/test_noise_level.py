import pytest
import torch

from invprior import samples
from invprior.noise_level import QUANTISATION, estimate_sigma


def noisy(name, sigma, size=256):
    x = samples.load(name, size).x
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return x + sigma / 255 * noise


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 256, 256), (1, 7, 101, 103)])
def test_pure_noise_is_measured_without_bias(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    y = 0.1 * torch.randn(shape, generator=generator, dtype=dtype)
    assert estimate_sigma(y) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("name", ["astronaut", "camera", "chelsea", "coffee", "coins"])
@pytest.mark.parametrize(("sigma", "error"), [(5, 0.25), (10, 0.1), (25, 0.05), (50, 0.05)])
def test_natural_pictures(name, sigma, error):
    assert 255 * estimate_sigma(noisy(name, sigma)) == pytest.approx(sigma, rel=error)


@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
def test_missing_pixels_do_not_count(name):
    y = noisy(name, 25)
    observed = torch.rand(1, 1, 256, 256, generator=torch.Generator().manual_seed(1)) < 0.5
    assert 255 * estimate_sigma(y * observed, observed) == pytest.approx(25, rel=0.1)
    assert estimate_sigma(y * observed, observed) == estimate_sigma(
        y.masked_fill(~observed, torch.nan)
    )


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee"])
@pytest.mark.parametrize("sigma", [25, 50])
def test_clipping_to_8_bits_hides_little(name, sigma):
    y = (255 * noisy(name, sigma).clamp(0, 1)).round() / 255
    assert 255 * estimate_sigma(y) == pytest.approx(sigma, rel=0.12)


def test_saturated_regions_do_not_count():
    y = noisy("astronaut", 10)
    y[..., :200, :] = y[..., :200, :] - 2
    assert 255 * estimate_sigma(y.clamp(0, 1)) == pytest.approx(10, rel=0.2)


def test_a_blurred_picture_with_weak_noise():
    x = samples.load("astronaut", 256).x
    kernel = torch.ones(3, 1, 5, 5) / 25
    blurred = torch.nn.functional.conv2d(x, kernel, groups=3)
    noise = torch.randn(blurred.shape, generator=torch.Generator().manual_seed(0))
    assert 255 * estimate_sigma(blurred + 0.01 * noise) == pytest.approx(2.55, rel=0.1)


@pytest.mark.parametrize(
    ("y", "observed"),
    [
        (torch.zeros(1, 3, 64, 64), None),
        (torch.full((1, 3, 64, 64), torch.nan), None),
        (torch.rand(1, 3, 64, 64), torch.zeros(64, 64, dtype=torch.bool)),
        (torch.rand(1, 3, 3, 3), None),
        (torch.rand(1, 1, 1, 9), None),
        (torch.zeros(1, 2), None),
    ],
)
def test_the_quantisation_step_is_the_least(y, observed):
    assert estimate_sigma(y, observed) == QUANTISATION


def test_98_percent_missing_falls_back_to_the_floor():
    y = noisy("astronaut", 25)
    observed = torch.rand(1, 1, 256, 256, generator=torch.Generator().manual_seed(1)) < 0.02
    assert estimate_sigma(y, observed) == QUANTISATION


@pytest.mark.parametrize("shape", [(1, 4000), (1, 40, 100), (1, 1, 4000)])
def test_other_measurements_are_rows_of_a_smooth_signal(shape):
    ramp = torch.linspace(0, 1, 4000).reshape(shape)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert estimate_sigma(ramp + 0.1 * noise) == pytest.approx(0.1, rel=0.05)


def test_y_is_not_changed():
    y = torch.full((1, 1, 32, 32), torch.nan)
    estimate_sigma(y)
    assert y.isnan().all()
