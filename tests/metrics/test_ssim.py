import pytest
import torch

from invprior import samples
from invprior.errors import IncompatibleError, OptionError
from invprior.metrics.ssim import SSIM


def by_hand(a, b):
    """SSIM of one grey image, (H, W), by the formulas of Wang et al. 2004, over full windows only."""
    line = torch.exp(-(torch.arange(-5.0, 6.0, dtype=torch.float64) ** 2) / (2 * 1.5**2))
    window = torch.outer(line, line)
    window = (window / window.sum())[None, None]

    def mean(t):
        return torch.nn.functional.conv2d(t[None, None], window)

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


@pytest.mark.parametrize("name", ["camera", "astronaut"])
def test_it_equals_the_papers_formula(name):
    truth = samples.load(name, 48).x.double()
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    x = (truth + 0.1 * noise).clamp(0, 1)
    expected = sum(by_hand(a, b) for a, b in zip(x[0], truth[0], strict=True)) / x.shape[1]
    assert float(SSIM().measure(x, truth)) == pytest.approx(expected, abs=1e-6)


def test_each_image_is_scored_independently_and_clipped():
    truth = samples.load("coins", 32).x
    scores = SSIM().measure(torch.cat([truth, truth + 0.1]), torch.cat([truth, truth]))
    assert scores.dtype == torch.float32
    assert scores[0] == pytest.approx(1)
    assert scores[1] < 1
    over = truth.clone()
    over[0, 0, 5, 5] = 1
    assert SSIM().measure(over * 1.0, over) == pytest.approx(1)
    above = over.clone()
    above[0, 0, 5, 5] = 9
    assert SSIM().measure(above, over) == pytest.approx(1)


def test_small_images_and_wrong_shapes_are_refused():
    with pytest.raises(IncompatibleError, match=r"windows of 11 x 11 pixels.*10 x 30"):
        SSIM().measure(torch.zeros(1, 1, 10, 30), torch.zeros(1, 1, 10, 30))
    with pytest.raises(IncompatibleError, match="same shape"):
        SSIM().measure(torch.zeros(1, 1, 20, 20), torch.zeros(1, 1, 20, 21))
    assert SSIM().measure(torch.zeros(1, 1, 11, 11), torch.zeros(1, 1, 11, 11)) == 1


@pytest.mark.parametrize("scale", [1e-3, 255.0, 4095.0, -1000.0])
def test_equal_images_score_1_on_any_scale(scale):
    truth = samples.load("camera", 32).x
    assert float(SSIM().measure(scale * truth, scale * truth)) == pytest.approx(1, abs=1e-6)


def test_scale_and_offset_do_not_move_it():
    truth = samples.load("camera", 48).x.double()
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    x = truth + 0.1 * noise
    low, high = float(truth.min()), float(truth.max())
    expected = by_hand(*(((t - low) / (high - low)).clamp(0, 1)[0, 0] for t in (x, truth)))
    for scale, offset in ((255.0, 0.0), (4095.0, -1000.0), (0.5, -1.0)):
        score = SSIM().measure(scale * x + offset, scale * truth + offset)
        assert float(score) == pytest.approx(expected, abs=1e-6)
    plain = float(SSIM().measure(x, truth))
    given = SSIM(data_range=(0, 255)).measure(255 * x, 255 * truth)
    assert float(given) == pytest.approx(plain, abs=1e-9)
    assert float(SSIM(data_range=(0, 1)).measure(x, truth)) == plain


def test_an_impossible_range_is_refused():
    with pytest.raises(OptionError, match="data_range of ssim must be the lower"):
        SSIM(data_range=(1, 0))
