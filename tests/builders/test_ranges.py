"""The range that the type of the values declares, or that the user gives."""

import numpy as np
import pytest
import torch

from invprior import build, samples, save, solve
from invprior.errors import OptionError
from invprior.operators.blur import Blur
from invprior.problem.units import PHOTOGRAPH, DataRange


def range_of(y, **options):
    (problem,) = build(y, prior="tv", **options)
    return problem.image_range


@pytest.fixture(scope="module")
def photograph():
    return (255 * samples.load("camera", 24).x[0, 0]).round().to(torch.uint8).numpy()


def test_integers_of_a_photograph_have_the_range_of_their_type(photograph, tmp_path):
    for y in (photograph, torch.from_numpy(photograph), photograph.astype(np.uint16) * 257):
        assert range_of(y) == PHOTOGRAPH
    save(tmp_path / "y.png", torch.from_numpy(photograph)[None, None] / 255)
    assert range_of(tmp_path / "y.png") == PHOTOGRAPH
    assert range_of(photograph, operator="blur").high == 1  # a blur keeps constants


def test_the_range_of_other_values_is_estimated(photograph):
    camera = photograph.astype(np.uint16) * 16  # 12 bits in 16
    found = range_of(camera)
    assert found.source == "estimated from y"
    assert 65535 * found.high == pytest.approx(4080, rel=0.1)
    floats = range_of(photograph.astype(np.float32))
    assert floats.high == pytest.approx(255, rel=0.1)
    doubling = Blur(photograph[None].shape, kernel=torch.full((1, 1), 2.0))
    assert range_of(photograph, operator=doubling).high < 0.6  # y is in [0, 1], its image is not


def test_each_image_of_a_batch_has_the_range_that_it_has_alone(photograph):
    dim = photograph // 8
    batch = torch.from_numpy(np.stack([photograph, dim]))[:, None]
    bright, dark = build(batch, prior="tv")
    assert bright.image_range == PHOTOGRAPH
    assert dark.image_range == range_of(dim) != PHOTOGRAPH


def test_a_camera_of_12_bits_is_denoised_as_its_counts_are(photograph):
    truth = 91 + 276 * (photograph / 255.0)
    y = truth + 12 * np.random.default_rng(0).standard_normal(truth.shape)
    counts = solve(y.astype(np.float32), prior="tv", noise="gaussian:sigma=12").x[0, 0]
    integers = solve(
        np.round(y).astype(np.uint16), prior="tv", noise=f"gaussian:sigma={12 / 65535}"
    ).x[0, 0]
    error = (counts - torch.from_numpy(truth)).square().mean().sqrt()
    assert error < 10.3
    torch.testing.assert_close(65535 * integers, counts, rtol=0, atol=1.5)


def test_a_given_range_is_in_the_units_of_the_values(photograph):
    assert range_of(photograph, data_range=(0, 510)) == DataRange(0.0, 2.0)
    assert range_of(photograph / 255.0, data_range=(-1, 1)) == DataRange(-1.0, 1.0)


@pytest.mark.parametrize("wrong", [(1, 0), (0, float("inf")), (0, 1), 3, (0, 1, 2), ("a", "b")])
def test_a_range_that_cannot_be_meant_is_refused(photograph, wrong):
    with pytest.raises(OptionError, match=r'"data_range" \(--range\)'):
        build(photograph, prior="tv", data_range=wrong)
