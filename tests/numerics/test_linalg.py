"""Bounds on norms, against dense singular values and closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invprior.numerics.linalg import chebyshev, chebyshev_form, spectral_norm
from invprior.operators.base import LinearOperator
from invprior.operators.blur import Blur

LOOSE = 1.03  # "a few percent above"


def bound_of(forward, adjoint, shape, dtype=torch.float64):
    return spectral_norm(lambda x: adjoint(forward(x)), torch.zeros(1, *shape, dtype=dtype))


def holds(bound, norm, rounding=1e-6):
    return norm * (1 - rounding) <= bound <= LOOSE * norm


def brighter_mean(x):
    return x + 0.5 * x.mean((-3, -2, -1), keepdim=True)


def bright_pixel(x):
    x = x.clone()
    x[..., 5, 7] *= 1.5
    return x


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("side", [16, 64, 1700])
@pytest.mark.parametrize("forward", [brighter_mean, bright_pixel])
def test_one_direction_in_many_is_found(forward, side, dtype):
    """Both have one singular value of 1.5 among ones, which power iteration does not see."""
    assert holds(bound_of(forward, forward, (1, side, side), dtype), 1.5)


def test_an_operator_inherits_the_bound():
    class Brighter(LinearOperator):
        def forward(self, x):
            return brighter_mean(x)

    assert holds(Brighter((1, 48, 48)).norm(), 1.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "spectrum",
    [
        lambda n: torch.linspace(0, 1, n),
        lambda n: torch.linspace(0, 1, n) ** 8,
        lambda n: torch.linspace(0, 1, n) ** (1 / 8),
        lambda n: 0.99 + 0.01 * torch.linspace(0, 1, n),
        lambda n: (torch.arange(n) == 17) * 0.001 + 1.0,
        lambda n: (torch.arange(n) == 17) * 0.1 + torch.linspace(0.9, 1, n),
        lambda n: 10.0 ** -torch.linspace(0, 6, n),
        lambda n: (torch.arange(n) == 3) * 1.0,
        lambda n: torch.ones(n),
        lambda n: 1e6 * (torch.arange(n) % 2),
        lambda n: 1e-10 * torch.linspace(0, 1, n),
        lambda n: 1e10 * torch.linspace(0, 1, n),
    ],
)
@pytest.mark.parametrize("n", [40, 4000, 250_000])
def test_diagonal_operators(spectrum, n, dtype):
    values = spectrum(n).to(dtype).view(1, 1, n, 1)
    assert holds(
        bound_of(lambda x: x * values, lambda y: y * values, (1, n, 1), dtype),
        float(values.max()),
    )


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 10**6),
    st.floats(-6, 6),
    st.integers(1, 60),
)
def test_dense_matrices_of_any_shape_and_rank(rows, columns, seed, power, rank):
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    matrix = 10.0**power * random(rows, rank) @ random(rank, columns)
    bound = bound_of(lambda x: x @ matrix.T, lambda y: y @ matrix, (columns,))
    assert holds(bound, float(torch.linalg.matrix_norm(matrix, ord=2)))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10**6), st.booleans())
def test_blurs_with_negative_weights(height, width, seed, valid):
    generator = torch.Generator().manual_seed(seed)
    kernel = torch.randn((height, width), generator=generator, dtype=torch.float64)
    kernel[0, 0] = -kernel[0, 0].abs()
    blur = Blur((1, 9, 10), kernel=kernel, boundary="valid" if valid else "reflect")
    pixels = torch.eye(90, dtype=torch.float64).view(90, 1, 9, 10)
    norm = float(torch.linalg.matrix_norm(blur(pixels).flatten(1), ord=2))
    assert holds(blur.norm(), norm, 1e-5)
    assert holds(spectral_norm(blur.normal, torch.zeros(1, 1, 9, 10)), norm, 1e-5)


def test_few_applications_and_the_same_result_again():
    calls = 0

    def normal(x):
        nonlocal calls
        calls += 1
        return x * torch.linspace(0, 1, x.numel()).view_as(x)

    like = torch.zeros(1, 1, 200, 200)
    bound = spectral_norm(normal, like)
    assert calls <= 60
    assert spectral_norm(normal, like) == bound


def test_nothing_and_not_a_number():
    like = torch.zeros(1, 1, 6, 7)
    assert spectral_norm(torch.zeros_like, like) == 0.0
    assert math.isnan(spectral_norm(lambda x: x * math.nan, like))


def test_a_chebyshev_polynomial_is_near_the_inverse_on_its_spectrum():
    eigenvalues = torch.linspace(0.01, 1.01, 50, dtype=torch.float64)[None]
    for steps, error in ((1, 0.981), (12, 0.181), (30, 0.0051)):
        near = chebyshev(
            lambda z: eigenvalues * z, torch.ones_like(eigenvalues), (0.01, 1.01), steps
        )
        assert float((near * eigenvalues - 1).abs().max()) <= error
        assert float(near.min()) > 0


def test_the_form_of_a_chebyshev_polynomial_takes_half_of_the_products():
    eigenvalues = torch.linspace(0.01, 1.01, 50, dtype=torch.float64)[None]
    r, calls = torch.randn(3, 50, generator=torch.Generator().manual_seed(0)), []

    def matrix(z):
        calls.append(1)
        return (eigenvalues * z).to(z)

    expected = (r * chebyshev(matrix, r, (0.01, 1.01), 12)).sum(1).double()
    assert len(calls) == 11
    found = chebyshev_form(matrix, r, (0.01, 1.01), 12)
    assert len(calls) == 11 + 6
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
