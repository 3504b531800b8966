"""Properties of every built-in fidelity: the conformance kit's checks, and stricter ones."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invprior.fidelities.huber import Huber
from invprior.fidelities.laplace import Laplace
from invprior.fidelities.poisson import Poisson
from invprior.testing import parametrize_checks

CASES = [
    Laplace(scale=0.1),
    Huber(sigma=0.1),
    Huber(sigma=0.3, delta=0.2),
    Poisson(peak=255.0),
    Poisson(peak=3.0),
    Poisson(peak=20.0, background=0.1),
    Poisson(gain=0.05, offset=-0.1, background=0.2),
]
each = pytest.mark.parametrize("fidelity", CASES, ids=lambda f: type(f).__name__)


def measurements(shape=(2, 3, 5, 4), dtype=torch.float64):
    y = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    y[..., 0] = 0  # dark pixels
    return y


def predictions(shape=(2, 3, 5, 4), dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return 1.5 * torch.rand(shape, generator=generator, dtype=dtype) - 0.2


@parametrize_checks(*CASES)
def test_conformance(check):
    check()


@each
def test_the_minimum_is_zero_at_y(fidelity):
    y = measurements()
    best = y - getattr(fidelity, "background", 0.0)
    if isinstance(fidelity, Poisson):  # below the offset there is no light
        best = best.clamp_min(fidelity.offset - fidelity.background)
    assert fidelity.value(best, y).tolist() == pytest.approx([0, 0], abs=1e-9)
    assert fidelity.gradient(best, y).abs().max() < 1e-6
    assert (fidelity.value(predictions(), y) > 0).all()
    assert (fidelity.value(best + 1e-3, y) > 0).all()
    assert (fidelity.value(best - 1e-3, y) > 0).all()


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
    # The argmin itself. The objective is flat to rounding there, so the grid is no finer than this.
    assert float(found) == pytest.approx((low + high) / 2, abs=2e-5)


@each
def test_the_lipschitz_constant_is_a_bound(fidelity):
    p, y, step = predictions(), measurements(), 1e-3
    slope = (fidelity.gradient(p + step, y) - fidelity.gradient(p, y)) / step
    assert slope.max() <= fidelity.lipschitz() * (1 + 1e-9)
    assert slope.min() >= -1e-9  # convex
    assert math.isinf(fidelity.lipschitz()) or slope.max() > 0.9 * fidelity.lipschitz()
