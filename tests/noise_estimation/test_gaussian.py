import math
from functools import cache

import pytest
import torch

from invprior import samples, simulate
from invprior.noise_estimation.gaussian import estimate_gaussian
from invprior.noise_estimation.steps import rounding


@cache
def measured(name, sigma, operator="denoise", more=""):
    x = samples.load(name, 256).x
    y, made = simulate(x, operator=operator, noise=f"gaussian:sigma={sigma / 255}{more}")
    return y, made.observation_mask


def error(*about):
    return 255 * estimate_gaussian(*measured(*about)).sigma / about[1] - 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 256, 256), (1, 7, 101, 103)])
def test_pure_noise_is_measured_without_bias(shape, dtype):
    y = 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    found = estimate_gaussian(y)
    assert found.sigma == pytest.approx(0.1, rel=0.05)
    assert abs(found.sigma / 0.1 - 1) < 3 * found.uncertainty < 0.25
    assert found.note is None


def test_small_images_are_measured_too():
    generator = torch.Generator().manual_seed(0)
    images = [0.1 * torch.randn((1, 3, 24, 24), generator=generator) for _ in range(20)]
    found = [estimate_gaussian(y) for y in images]
    errors = torch.tensor([one.sigma / 0.1 - 1 for one in found])
    assert float(errors.abs().max()) < 0.2
    assert 0.5 < float(errors.std()) / found[0].uncertainty < 1.5


@pytest.mark.parametrize("name", ["astronaut", "camera", "chelsea", "coffee", "coins"])
@pytest.mark.parametrize("sigma", [10, 25, 50])
def test_natural_images(name, sigma):
    assert abs(error(name, sigma)) < 0.05


@pytest.mark.parametrize("name", ["astronaut", "rocket"])
@pytest.mark.parametrize("sigma", [25, 50])
def test_clipping_to_8_bits_adds_no_bias(name, sigma):
    assert abs(error(name, sigma, "denoise", ",quantise=true")) < 0.05


@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
@pytest.mark.parametrize(("operator", "most"), [
    ("inpaint:keep=0.5", 0.05), ("inpaint:keep=0.1", 0.1), ("blur:sigma=2", 0.03), ("downsample:factor=2", 0.1),
])  # fmt: skip
def test_through_operators(name, operator, most):
    assert abs(error(name, 25, operator)) < most


def test_missing_pixels_do_not_count():
    y, observation_mask = measured("astronaut", 25, "inpaint:keep=0.5")
    assert estimate_gaussian(y, observation_mask) == estimate_gaussian(
        y.masked_fill(~observation_mask, torch.nan)
    )


def test_every_channel_has_its_own_level():
    noise = torch.randn((1, 3, 128, 128), generator=torch.Generator().manual_seed(0))
    sigmas = torch.tensor([0.02, 0.05, 0.1])
    found = estimate_gaussian(samples.load("coffee", 128).x + sigmas[:, None, None] * noise)
    assert found.channels == pytest.approx(sigmas.tolist(), rel=0.08)
    assert found.sigma == pytest.approx(float(sigmas.square().mean().sqrt()), rel=0.05)


def test_a_channel_without_data_has_the_overall_level():
    y = 0.1 * torch.randn((1, 2, 64, 64), generator=torch.Generator().manual_seed(0))
    y[:, 1] = torch.nan
    found = estimate_gaussian(y)
    assert found.channels == (found.sigma, found.sigma)


def test_texture_all_over_is_noted():
    grass = samples.load("grass", 128).x
    y = grass + 0.04 * torch.randn(grass.shape, generator=torch.Generator().manual_seed(0))
    found = estimate_gaussian(y)
    assert abs(found.sigma / 0.04 - 1) < 2 * found.uncertainty
    assert "is unreliable: too much of the image is texture" in found.note
    assert "give gaussian:sigma=... if you know it" in found.note


@pytest.mark.parametrize(
    ("y", "observation_mask"),
    [
        (torch.full((1, 3, 64, 64), torch.nan), None),
        (torch.rand(1, 3, 64, 64), torch.zeros(64, 64, dtype=torch.bool)),
        (torch.arange(9.0).view(1, 1, 3, 3) / 8, None),
        (torch.zeros(1, 2), None),
    ],
)
def test_without_data_the_rounding_error_is_assumed(y, observation_mask):
    found = estimate_gaussian(y, observation_mask)
    assert found.sigma == rounding(1 / 255)
    assert math.isinf(found.uncertainty)
    assert "too little of the image is known" in found.note
    assert found.record()["uncertainty"] is None


def test_few_pixels_give_an_uncertain_value_instead_of_none():
    y, observation_mask = measured("astronaut", 25, "inpaint:keep=0.02")
    found = estimate_gaussian(y, observation_mask)
    assert 255 * found.sigma == pytest.approx(25, rel=0.6)
    assert found.note is not None


@pytest.mark.parametrize("shape", [(1, 4000), (1, 5, 800), (1, 1, 4000)])
def test_other_measurements_are_rows_of_a_smooth_signal(shape):
    ramp = torch.linspace(0, 1, 4000).reshape(shape)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = estimate_gaussian(ramp + 0.1 * noise)
    assert found.sigma == pytest.approx(0.1, rel=0.05)
    assert "treated as rows of a smooth signal" in found.note


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("short", [1, 2, 3, 7])
def test_a_tall_strip_is_measured_as_a_wide_one(short, channels):
    ramp = torch.linspace(0, 1, 900).expand(1, channels, short, 900)
    wide = ramp + 0.1 * torch.randn(ramp.shape, generator=torch.Generator().manual_seed(0))
    wide[..., 5] = torch.nan
    found = estimate_gaussian(wide)
    assert found.sigma == pytest.approx(0.1, rel=0.1)
    assert estimate_gaussian(wide.transpose(2, 3)) == found
    mask = torch.rand((short, 900), generator=torch.Generator().manual_seed(1)) < 0.8
    assert estimate_gaussian(wide.mT, mask.T) == estimate_gaussian(wide, mask)


def test_a_column_of_samples_is_a_row():
    y = 0.1 * torch.randn(900, generator=torch.Generator().manual_seed(0))
    assert estimate_gaussian(y.view(1, 900, 1)) == estimate_gaussian(y.view(1, 900))


def noisy(seed=0):
    t = samples.load("camera", 48).x
    return t + 0.05 * torch.randn(t.shape, generator=torch.Generator().manual_seed(seed))


FRAMES = {"all around": (12, 12), "above and below": (12, 0), "thin": (4, 0), "beside": (0, 20)}
frames = pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())


@frames
@pytest.mark.parametrize("background", [0.0, 0.37, 0.5, 1.0, -1.0, 5.0])
@pytest.mark.parametrize("bits", [None, 8])
def test_constant_areas_do_not_count(frame, background, bits):
    y = noisy() if bits is None else (noisy().clamp(0, 1) * 255).round() / 255
    down, across = frame
    framed = torch.nn.functional.pad(y, (across, across, down, down), value=background)
    found = estimate_gaussian(framed)
    assert found.sigma == pytest.approx(0.05, rel=0.15)
    assert found.note is None


def test_a_rotated_frame_does_not_count():
    from skimage.transform import rotate

    x = samples.load("camera", 256).x
    y = x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    turned = rotate(y[0, 0].double().numpy(), 10, order=0, cval=0.2)
    found = estimate_gaussian(torch.from_numpy(turned)[None, None])
    assert found.sigma == pytest.approx(0.05, rel=0.1)


def test_a_constant_area_with_missing_pixels_does_not_count():
    framed = torch.nn.functional.pad(noisy(), (12, 12, 12, 12), value=0.5)
    known = torch.rand((72, 72), generator=torch.Generator().manual_seed(0)) < 0.7
    found = estimate_gaussian(framed, known)
    assert found.sigma == pytest.approx(0.05, rel=0.15)


@pytest.mark.parametrize("value", [0.0, 0.5, 3.0])
def test_a_constant_row_of_samples_does_not_count(value):
    noise = 0.1 * torch.randn((1, 1, 1, 600), generator=torch.Generator().manual_seed(0))
    found = estimate_gaussian(torch.nn.functional.pad(noise, (900, 900), value=value))
    assert found.sigma == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("value", [0.0, 0.5, -300.0])
def test_a_constant_image_has_a_level_and_a_doubt(value):
    found = estimate_gaussian(torch.full((1, 3, 64, 64), value))
    assert found.sigma == pytest.approx(rounding((abs(value) or 1) / 255))
    assert "the measurement is constant" in found.note


@pytest.mark.parametrize("background", [0.0, 0.5, 1.0])
def test_a_drawing_has_the_rounding_error_of_8_bits(background):
    drawing = torch.full((1, 1, 96, 96), background)
    drawing[..., 20:70, 20:60] = 0.3
    drawing[..., 40:90, 50:80] = 0.7
    found = estimate_gaussian(drawing)
    assert found.sigma == pytest.approx(float(drawing.max() - drawing.min()) * rounding(1 / 255))
    assert found.is_rounding


SCALES = [(1e-3, 0.0), (255.0, 0.0), (4095.0, -700.0), (1e5, 3e4)]


@pytest.mark.parametrize(("scale", "offset"), SCALES)
@pytest.mark.parametrize("kind", ["noise", "8 bits", "clean", "missing", "row"])
def test_a_scale_and_an_offset_change_nothing_else(kind, scale, offset):
    y, mask = noisy().double(), None
    if kind == "8 bits":
        y = (y.clamp(0, 1) * 255).round() / 255
    elif kind == "clean":
        y = (samples.load("camera", 48).x.double() * 255).round() / 255
    elif kind == "missing":
        mask = torch.rand((48, 48), generator=torch.Generator().manual_seed(1)) < 0.4
    elif kind == "row":
        y = y.view(1, 1, 1, -1)
    own, found = estimate_gaussian(y, mask), estimate_gaussian(scale * y + offset, mask)
    assert found.sigma == pytest.approx(scale * own.sigma, rel=1e-3)
    assert found.step == pytest.approx(scale * own.step, rel=1e-2)
    assert found.is_rounding == own.is_rounding
    assert own.rescaled(1 / scale).sigma == pytest.approx(found.sigma, rel=1e-3)


def test_noise_below_8_bits_is_found_in_16():
    t = samples.load("camera", 48).x
    noise = torch.randn(t.shape, generator=torch.Generator().manual_seed(0))
    counts = (t / 16 * 65535 + 10 * noise).round().clamp_min(0)
    found = estimate_gaussian(counts / 65535)
    assert 8 < 65535 * found.sigma < 15  # the texture of the image is as strong as the noise
    # A sixteenth of what the same image is given on the whole range.
    whole = estimate_gaussian(t + 160 / 65535 * noise)
    assert found.sigma == pytest.approx(whole.sigma / 16, rel=0.02)
    assert 65535 * found.step == pytest.approx(1)
    assert not found.is_rounding


def test_a_12_bit_camera_in_16_bits():
    x = 800 * samples.load("coins", 128).x
    counts = x + 12 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    found = estimate_gaussian(counts.round().clamp(0, 4095) / 65535)
    assert 65535 * found.sigma == pytest.approx(12, rel=0.1)
    assert found.note is None


def test_y_is_not_changed():
    y = torch.full((1, 1, 32, 32), torch.nan)
    estimate_gaussian(y)
    assert y.isnan().all()
