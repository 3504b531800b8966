import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from invprior import samples
from invprior.errors import IncompatibleError, OptionError
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
