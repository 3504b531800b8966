from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from invprior.errors import OptionError
from invprior.numerics.resampling import taps
from invprior.operators.base import Recipe
from invprior.operators.downsample import Downsample
from tests.operators.cases import DOWNSAMPLES, cases, rand


def test_box_is_the_mean_of_blocks() -> None:
    x = rand((1, 3, 12, 9))
    y = Downsample((3, 12, 9), factor=3, kernel="box")(x)
    assert torch.allclose(y, torch.nn.functional.avg_pool2d(x, 3))


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_lanczos2_is_the_papers(factor: int) -> None:
    """4 * factor weights, at half-pixel offsets from the centre: the paper's phase 0.5."""
    offsets = (np.arange(4 * factor) - (4 * factor - 1) / 2) / factor
    weights = np.sinc(offsets) * np.sinc(offsets / 2)
    assert np.allclose(taps("lanczos2", factor), weights / weights.sum())
    x = rand((1, 1, 8 * factor, 8 * factor))
    window = x[0, 0, factor * 5 // 2 : factor * 13 // 2, factor * 3 // 2 : factor * 11 // 2]
    y = Downsample((1, 8 * factor, 8 * factor), factor=factor)(x)
    expected = np.outer(weights, weights) / weights.sum() ** 2 * window.numpy()
    assert float(y[0, 0, 4, 3]) == pytest.approx(float(expected.sum()))


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
@pytest.mark.parametrize(
    ("kernel", "pillow"),
    [
        ("lanczos3", Image.Resampling.LANCZOS),
        ("bicubic", Image.Resampling.BICUBIC),
        ("box", Image.Resampling.BOX),
    ],
)
def test_inside_it_is_pillows(factor: int, kernel: str, pillow: Image.Resampling) -> None:
    x = rand((1, 1, 12 * factor, 12 * factor), dtype=torch.float32)
    y = Downsample((1, 12 * factor, 12 * factor), factor=factor, kernel=kernel)(x)
    expected = np.asarray(Image.fromarray(x[0, 0].numpy()).resize((12, 12), pillow))
    assert np.allclose(y[0, 0, 4:8, 4:8], expected[4:8, 4:8], atol=1e-5)


@cases(DOWNSAMPLES)
def test_constants_stay(recipe: Recipe) -> None:
    for size in ((12, 12), (11, 7), (2, 1)):
        a = recipe((1, *size))
        assert a.measurement_shape == (1, *(-(-n // recipe.options["factor"]) for n in size))
        assert torch.allclose(a(torch.ones(1, 1, *size)), torch.ones(()), atol=1e-5)


@pytest.mark.parametrize("kernel", ["lanczos2", "lanczos3", "bicubic", "box"])
def test_images_are_not_shifted(kernel: str) -> None:
    for factor in (2, 3, 4):
        ramp = torch.arange(24.0 * factor).expand(1, 1, 4 * factor, -1)
        y = Downsample((1, *ramp.shape[2:]), factor=factor, kernel=kernel)(ramp)
        centres = torch.arange(24.0) * factor + (factor - 1) / 2
        assert torch.allclose(y[0, 0, 2, 6:18], centres[6:18], atol=1e-3)


def test_a_large_factor() -> None:
    x = rand((1, 1, 70, 90))
    a = Downsample((1, 70, 90), factor=40)
    assert a(x).shape == (1, 1, 2, 3)
    assert float((a(x) * a(x)).sum() / (x * a.adjoint(a(x))).sum()) == pytest.approx(1.0)


def test_wrong_options() -> None:
    with pytest.raises(OptionError) as caught:
        Downsample((1, 8, 8), factor=1, kernel="lanczos", boundary="valid")  # type: ignore[arg-type]
    assert all(name in str(caught.value) for name in ("factor", "kernel", "boundary"))
