"""The window of intensities that images are shown with."""

import pytest
import torch

from invprior import samples
from invprior.io.display import UNIT, Window, window_of

CAMERA = samples.load("camera", 64).x


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (CAMERA, UNIT),
        (0.3 * CAMERA + 0.2, UNIT),
        (1.06 * CAMERA - 0.03, UNIT),  # an estimate that overshoots
        (torch.full((1, 1, 4, 4), 0.7), UNIT),
        (torch.full((1, 1, 4, 4), torch.nan), UNIT),
        (torch.zeros(1, 1, 4, 4), UNIT),
        (torch.full((1, 1, 4, 4), -3.0), Window(-3, 0)),
    ],
)
def test_photographs_and_constants(x, expected):
    assert window_of(x) == expected


@pytest.mark.parametrize(("scale", "offset"), [(4095, 0), (0.01, 0), (3000, -1000), (1e5, 1e6)])
def test_other_images_are_shown_as_the_photograph_is(scale, offset):
    x = scale * CAMERA.double() + offset
    x[..., 0, 0] = torch.nan
    x[..., 1, 1] = 1e30  # a hot pixel
    window = window_of(x)
    shown = window(x)
    assert shown[..., 0, 0] == 0
    assert shown[..., 1, 1] == 1
    rest = torch.ones_like(x, dtype=torch.bool)
    rest[..., :2, :2] = False
    assert (shown - CAMERA)[rest].abs().max() < 0.08  # black and white themselves differ


def test_a_measurement_that_would_be_hidden_has_its_own_window():
    noise = torch.randn(CAMERA.shape, generator=torch.Generator().manual_seed(0))
    noisy = CAMERA + 0.3 * noise
    assert UNIT.for_measurement(noisy) == UNIT
    assert UNIT.for_measurement(20 * CAMERA + 1).high > 15  # such as a sinogram
    assert UNIT.for_measurement(0.001 * CAMERA).high < 0.001
    assert UNIT.for_measurement(torch.full((1, 1, 4, 4), 7.0)) == UNIT


def test_the_text_names_both_ends():
    assert str(Window(-1024, 3071.25)) == "-1024 to 3071"
