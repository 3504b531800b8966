import pytest
import torch

from invprior.numerics.tensor_diff import difference, distance, inner, scale_of

A = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
OTHER = torch.tensor([0.5, 2.0, -1.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (A + 1e-6, None),
        (2 * A, "scaled by 2, should be 1"),
        (-A, "scaled by -1, should be 1"),
        (1.01 * A, "scaled by 1.01, should be 1"),
        (A + torch.tensor([0.0, 0.0, 2e-4]).double(), "off by 8e-05 of its size"),
        (OTHER, "off by 2e-01 of its size"),
        (0 * A, "off by 1e+00 of its size"),
        (A * torch.nan, "not finite"),
    ],
)
def test_differences_in_words(found, text):
    assert difference(found, A, 1e-5) == text


def test_what_should_be_nothing():
    assert distance(A, 0 * A) == pytest.approx(6**0.5)
    assert scale_of(A, 0 * A) is None
    assert difference(0 * A, 0 * A, 0.0) is None


def test_complex_numbers():
    assert inner(1j * A, 1j * A) == pytest.approx(6)
    assert inner(1j * A, A) == 0
