import pytest
import torch

from invprior.noise_estimation.steps import step_of


def levels(top, count=3000, dtype=torch.float32):
    values = torch.rand(count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (values * top).round().to(dtype)


@pytest.mark.parametrize("top", [255, 4095, 65535])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1e-3, 0.0), (3.7, 1.3), (-1e5, 1e4)])
def test_the_step_of_a_file_survives_units(top, scale, offset):
    found = step_of(scale * (levels(top) / top) + offset)
    assert found == pytest.approx(abs(scale) / top, rel=1e-3)


def test_the_step_is_a_common_divisor_and_not_the_smallest_gap():
    some = levels(40, 300) * 6
    assert step_of(torch.cat([some, levels(40, 300) * 10])) == pytest.approx(2)
    assert step_of(levels(800) / 65535) == pytest.approx(1 / 65535)
    assert step_of(16 * levels(4095)) == pytest.approx(16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_floats_have_the_rounding_of_single_precision(dtype):
    values = torch.rand(5000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = values.square().to(dtype)
    assert step_of(1000 * values) == pytest.approx(1e-3, rel=0.1)
    assert step_of(1000 * values - 300) == pytest.approx(1e-3, rel=0.1)


def test_few_values_are_a_drawing_or_a_constant():
    assert step_of(torch.tensor([0.0, 0.3, 0.7, 0.7])) == pytest.approx(0.7 / 255)
    assert step_of(torch.full((9,), -3.0)) == 3 / 255
    assert step_of(torch.zeros(9)) == step_of(torch.zeros(0)) == 1 / 255
