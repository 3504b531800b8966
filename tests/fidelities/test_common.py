"""What every built-in fidelity promises."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invprior.fidelities.huber import Huber
from invprior.fidelities.laplace import Laplace
from invprior.fidelities.poisson import Poisson

CASES = [
    Laplace(scale=0.1),
    Huber(sigma=0.1),
    Huber(sigma=0.3, delta=0.2),
    Poisson(),
    Poisson(peak=3.0),
    Poisson(peak=20.0, background=0.1),
]
each = pytest.mark.parametrize("fidelity", CASES, ids=lambda f: type(f).__name__)


def measurements(shape=(2, 3, 5, 4), dtype=torch.float64):
    y = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    y[..., 0] = 0  # dark pixels
    return y


def predictions(shape=(2, 3, 5, 4), dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return 1.5 * torch.rand(shape, generator=generator, dtype=dtype) - 0.2


@each
def test_the_minimum_is_zero_at_y(fidelity):
    y = measurements()
    best = y - getattr(fidelity, "background", 0.0)
    assert fidelity.value(best, y).tolist() == pytest.approx([0, 0], abs=1e-9)
    assert fidelity.gradient(best, y).abs().max() < 1e-6
    assert (fidelity.value(predictions(), y) > 0).all()
    assert (fidelity.value(best + 1e-3, y) > 0).all()
    assert (fidelity.value(best - 1e-3, y) > 0).all()


@each
def test_the_gradient_is_that_of_the_value(fidelity):
    p, y, step = predictions(), measurements(), 1e-6
    direction = torch.randn(p.shape, generator=torch.Generator().manual_seed(2), dtype=p.dtype)
    change = fidelity.value(p + step * direction, y) - fidelity.value(p - step * direction, y)
    slope = (fidelity.gradient(p, y) * direction).flatten(1).sum(1)
    assert torch.allclose(change / (2 * step), slope, rtol=1e-5)
    leaf = p.clone().requires_grad_()
    (automatic,) = torch.autograd.grad(fidelity.value(leaf, y).sum(), leaf)
    torch.testing.assert_close(automatic, fidelity.gradient(p, y))


@each
@settings(max_examples=15, deadline=None)
@given(
    tau=st.floats(1e-4, 1e2),
    v=st.floats(-2, 3),
    y=st.sampled_from([0.0, 1e-5, 0.002, 0.3, 1.0]),
)
def test_the_prox_is_the_argmin(fidelity, tau, v, y):
    def objective(p):
        values = fidelity.value(p[:, None], torch.full_like(p, y)[:, None])
        return tau * values + 0.5 * (p - v) ** 2

    low, high = min(v, -1.0) - 1, max(v, y) + 1
    for _ in range(12):  # the objective is convex: narrow the grid around its best point
        grid = torch.linspace(low, high, 41, dtype=torch.float64)
        best = int(objective(grid).argmin())
        low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, 40)])
    at = torch.full((1, 1), v, dtype=torch.float64)
    found = fidelity.prox(at, torch.full_like(at, y), tau)[0]
    assert objective(found) <= objective(grid[best : best + 1]) + 1e-9
    # The argmin itself: an objective flat to rounding leaves the grid no better than this.
    assert float(found) == pytest.approx((low + high) / 2, abs=2e-5)


@each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_type_batch_and_inputs_are_kept(fidelity, dtype):
    p, y = predictions(dtype=dtype), measurements(dtype=dtype)
    before = p.clone(), y.clone()
    value, prox = fidelity.value(p, y), fidelity.prox(p, y, 0.3)
    assert value.shape == (2,)
    assert value.dtype == prox.dtype == fidelity.gradient(p, y).dtype == dtype
    assert prox.shape == p.shape
    torch.testing.assert_close(value[1:], fidelity.value(p[1:], y[1:]))
    torch.testing.assert_close(prox[1:], fidelity.prox(p[1:], y[1:], 0.3))
    assert torch.equal(p, before[0])
    assert torch.equal(y, before[1])


@each
def test_the_curvature_is_a_bound(fidelity):
    p, y, step = predictions(), measurements(), 1e-3
    slope = (fidelity.gradient(p + step, y) - fidelity.gradient(p, y)) / step
    assert slope.max() <= fidelity.curvature() * (1 + 1e-9)
    assert slope.min() >= -1e-9  # convex
    assert math.isinf(fidelity.curvature()) or slope.max() > 0.9 * fidelity.curvature()
