import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from invprior import samples
from invprior.errors import IncompatibleError, OptionError
from invprior.metrics.base import range_text, score_range, with_range
from invprior.metrics.psnr import PSNR


def pair(name="astronaut"):
    truth = samples.load(name, 32).x
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    return truth + 0.1 * noise, truth


def test_it_equals_scikit_images_psnr_of_the_clipped_image():
    x, truth = pair()
    expected = peak_signal_noise_ratio(truth.numpy(), x.clamp(0, 1).numpy(), data_range=1)
    assert float(PSNR().measure(x, truth)) == pytest.approx(expected, abs=1e-4)


def test_each_image_is_scored_independently():
    x, truth = pair()
    scores = PSNR().measure(torch.cat([x, truth]), torch.cat([truth, truth]))
    assert scores[0] == PSNR().measure(x, truth)[0]
    assert math.isinf(scores[1])


def test_crop_leaves_the_border_out():
    x, truth = pair()
    inner = (..., slice(4, -4), slice(4, -4))
    assert PSNR(crop=4).measure(x, truth) == PSNR().measure(x[inner], truth[inner])


def test_luma_follows_itu_r_bt_601():
    from skimage.color import rgb2ycbcr

    x, truth = pair()
    x = x.clamp(0, 1)
    a, b = (rgb2ycbcr(t[0].permute(1, 2, 0).double().numpy())[..., 0] / 255 for t in (x, truth))
    expected = -10 * np.log10(np.mean((a - b) ** 2))
    assert float(PSNR(luma=True).measure(x, truth)) == pytest.approx(expected, abs=1e-4)
    grey, grey_truth = pair("camera")
    assert PSNR(luma=True).measure(grey, grey_truth) == PSNR().measure(grey, grey_truth)


def test_wrong_shapes_and_crops_are_refused():
    x, truth = pair()
    with pytest.raises(IncompatibleError, match="same shape"):
        PSNR().measure(x, truth[..., 1:])
    with pytest.raises(OptionError, match="crop of psnr must be below half"):
        PSNR(crop=16).measure(x, truth)
    with pytest.raises(OptionError, match="crop"):
        PSNR(crop=-1)


@pytest.mark.parametrize("scale", [1e-3, 255.0, 4095.0, 65535.0, -1000.0])
def test_equal_images_score_infinity_on_any_scale(scale):
    _, truth = pair()
    assert math.isinf(float(PSNR().measure(scale * truth, scale * truth)))
    assert math.isinf(float(PSNR(luma=True).measure(scale * truth, scale * truth)))


def test_without_a_range_it_is_that_of_a_truth_outside_0_to_1():
    x, truth = pair("camera")
    low, high = float(truth.min()), float(truth.max())
    expected = peak_signal_noise_ratio(
        truth.numpy(), x.clamp(low, high).numpy(), data_range=high - low
    )
    for scale, offset in ((255.0, 0.0), (4095.0, -1000.0), (0.5, -1.0)):
        score = PSNR().measure(scale * x + offset, scale * truth + offset)
        assert float(score) == pytest.approx(expected, abs=1e-3)


def test_a_given_range_clips_and_scales():
    x, truth = pair()
    expected = PSNR().measure(x, truth)
    score = PSNR(data_range=(0, 255)).measure(255 * x, 255 * truth)
    torch.testing.assert_close(score, expected, atol=1e-4, rtol=0)
    assert torch.equal(PSNR(data_range=(0, 1)).measure(x, truth), expected)


def test_each_image_of_a_batch_has_its_own_range():
    x, truth = pair()
    scores = PSNR().measure(torch.cat([x, 255 * x]), torch.cat([truth, 255 * truth]))
    assert scores[0] == PSNR().measure(x, truth)[0]
    assert scores[1] == PSNR().measure(255 * x, 255 * truth)[0]


def test_a_constant_truth_is_compared_on_the_range_from_0():
    truth = torch.full((1, 1, 8, 8), 200.0)
    assert float(PSNR().measure(truth - 20.0, truth)) == pytest.approx(20.0, abs=1e-4)
    assert float(PSNR().measure(20.0 - truth, -truth)) == pytest.approx(20.0, abs=1e-4)


@pytest.mark.parametrize("wrong", [(1, 0), (2, 2), (0, math.inf), (math.nan, 1)])
def test_an_impossible_range_is_refused(wrong):
    with pytest.raises(OptionError, match=r'data_range"? of psnr must be'):
        PSNR(data_range=wrong)


def test_a_truth_that_spans_little_of_0_to_1_has_its_own_range():
    """A camera of 12 bits in a type of 16, or floats in [0, 0.01], score as the same image in [0, 1] does."""
    x, truth = pair("camera")
    assert score_range(truth) == (0, 1)
    for scale in (1 / 16, 0.01):
        low, high = score_range(scale * truth)
        assert (low, high) == (float((scale * truth).min()), float((scale * truth).max()))
        score = PSNR().measure(scale * x, scale * truth)
        assert float(score) == pytest.approx(
            float(PSNR(data_range=(low / scale, high / scale)).measure(x, truth)), abs=1e-3
        )


def test_ranges_are_named_unless_they_are_0_to_1():
    assert range_text((0, 1)) == range_text(None) == ""
    assert range_text((-1024.0, 3071.25)) == "range -1024 to 3071"
    filled = with_range(PSNR(crop=2), (0.0, 4095.0))
    assert filled == PSNR(crop=2, data_range=(0.0, 4095.0))
    assert with_range(filled, (0.0, 1.0)) is filled
    truth = torch.tensor([12.0, 812.0]).view(1, 1, 1, 2)
    assert score_range(truth, (0, 4095)) == (0, 4095)
    assert score_range(truth, (0, 500)) == (12, 812)
