import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invprior.errors import OptionError
from invprior.numerics.linalg import spectral_norm
from invprior.priors.tikhonov import Tikhonov


def random(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([0, 1]), st.floats(1e-3, 1e3))
def test_prox_solves_its_linear_system(height, width, order, tau):
    """The system is solved with the Hessian as a dense matrix, by autograd."""
    prior, v = Tikhonov(order=order), random(2, 1, height, width)

    def total(x):
        return prior.value(x.view(1, 1, height, width)).sum()

    hessian = torch.autograd.functional.hessian(total, torch.zeros(height * width).double())
    matrix = torch.eye(height * width).double() + tau * hessian
    expected = torch.linalg.solve(matrix, v.flatten(1).T).T.view_as(v)
    torch.testing.assert_close(prior.prox(v, tau), expected)


@pytest.mark.parametrize("order", [0, 1])
def test_the_lipschitz_constant_bounds_the_hessian_tightly(order):
    prior = Tikhonov(order=order)
    norm = spectral_norm(prior.gradient, torch.zeros(1, 1, 24, 25, dtype=torch.float64)) ** 2
    assert 0.9 * prior.lipschitz() <= norm <= 1.03 * prior.lipschitz()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_shape_and_batch(dtype):
    v = random(3, 4, 7, 5).to(dtype)
    x = Tikhonov().prox(v, 2.0)
    assert x.dtype == dtype
    assert x.shape == v.shape
    torch.testing.assert_close(x[1:2], Tikhonov().prox(v[1:2], 2.0))
    assert Tikhonov().value(v).shape == (3,)


def test_flat_images_are_free():
    flat = torch.full((1, 3, 6, 7), 0.4, dtype=torch.float64)
    assert Tikhonov().value(flat).item() == 0.0
    torch.testing.assert_close(Tikhonov().prox(flat, 10.0), flat)


def test_refuses_other_orders():
    with pytest.raises(OptionError, match="order"):
        Tikhonov(order=2)
