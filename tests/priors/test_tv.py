from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from invprior.errors import OptionError
from invprior.numerics import tv_prox as _tv_prox
from invprior.priors.tv import TV

KINDS = ("isotropic", "anisotropic", "vectorial")
kinds = pytest.mark.parametrize("kind", KINDS)


def random(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)


def numpy_tv(x, kind):
    """TV of one image, (C, H, W), written with loops."""
    channels, height, width = x.shape
    total = 0.0
    for i, j in product(range(height), range(width)):
        pairs = np.zeros((channels, 2))
        if i + 1 < height:
            pairs[:, 0] = x[:, i + 1, j] - x[:, i, j]
        if j + 1 < width:
            pairs[:, 1] = x[:, i, j + 1] - x[:, i, j]
        if kind == "anisotropic":
            total += np.abs(pairs).sum()
        elif kind == "isotropic":
            total += np.sqrt((pairs**2).sum(1)).sum()
        else:
            total += np.sqrt((pairs**2).sum())
    return total


def difference_matrix(shape):
    """D of one image as a dense matrix, rows ordered (2, C, H, W)."""
    channels, height, width = shape
    index = np.arange(channels * height * width).reshape(shape)
    matrix = np.zeros((2, channels, height, width, index.size))
    for c, i, j in product(range(channels), range(height), range(width)):
        for axis, (k, m) in enumerate(((i + 1, j), (i, j + 1))):
            if k < height and m < width:
                matrix[axis, c, i, j, index[c, k, m]] += 1.0
                matrix[axis, c, i, j, index[c, i, j]] -= 1.0
    return matrix.reshape(-1, index.size)


def project(field, kind):
    if kind == "anisotropic":
        return np.clip(field, -1.0, 1.0)
    axes = (0,) if kind == "isotropic" else (0, 1)
    return field / np.maximum(1.0, np.sqrt((field**2).sum(axes, keepdims=True)))


def brute_force(v, tau, kind, steps=10_000):
    """Return x and a lower bound of the energy, by projected gradient on the dual with a dense matrix."""
    matrix, flat = difference_matrix(v.shape), v.ravel()
    dual = np.zeros(matrix.shape[0])
    for _ in range(steps):
        ascent = dual + matrix @ (flat - tau * matrix.T @ dual) / (8.0 * tau)
        dual = project(ascent.reshape(2, *v.shape), kind).ravel()
    x = flat - tau * matrix.T @ dual
    return x.reshape(v.shape), 0.5 * (flat @ flat - x @ x)


def energy(x, v, tau, kind):
    return tau * numpy_tv(x, kind) + 0.5 * ((x - v) ** 2).sum()


def taut_string(v, tau, steps=60):
    """Return the 1-D prox by bisection on levels s; {x > s} is a minimal cut, by dynamic programming."""
    low, high = np.full(v.size, v.min()), np.full(v.size, v.max())
    for _ in range(steps):
        level = (low + high) / 2
        above = np.zeros(v.size, bool)
        for s in np.unique(level):
            cost = np.zeros((v.size, 2))
            for i in range(v.size):
                data_cost = np.array([0.0, s - v[i]])
                if i == 0:
                    cost[i] = data_cost
                else:
                    stay, change = cost[i - 1], cost[i - 1][::-1] + tau
                    cost[i] = data_cost + np.minimum(stay, change)
            label = int(cost[-1, 1] < cost[-1, 0])
            labels = [label]
            for i in range(v.size - 1, 0, -1):
                other = cost[i - 1, 1 - label] + tau
                label = label if cost[i - 1, label] <= other else 1 - label
                labels.append(label)
            at = level == s
            above[at] = np.array(labels[::-1], bool)[at]
        low, high = np.where(above, level, low), np.where(above, high, level)
    return (low + high) / 2


@kinds
@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 5, 4), (4, 1, 6), (2, 6, 1), (3, 1, 1)])
def test_value_is_the_formula(kind, shape):
    x = random(2, *shape)
    expected = [numpy_tv(image.numpy(), kind) for image in x]
    torch.testing.assert_close(TV(kind=kind).value(x), torch.tensor(expected, dtype=x.dtype))


@kinds
def test_gradient_is_finite_where_the_image_is_flat(kind):
    x = random(1, 3, 6, 7)
    x[..., 2:5, 2:5] = 0.5
    gradient = TV(kind=kind).gradient(x)
    assert gradient.isfinite().all()
    assert not TV(kind=kind).gradient(torch.ones(1, 3, 4, 4)).any()


@kinds
def test_gradient_is_the_slope(kind):
    x, direction = random(1, 2, 5, 6), random(1, 2, 5, 6, seed=1) - 0.5
    prior, h = TV(kind=kind), 1e-6
    slope = (prior.value(x + h * direction) - prior.value(x - h * direction)) / (2 * h)
    along = (prior.gradient(x) * direction).sum()
    torch.testing.assert_close(along, slope[0], rtol=1e-6, atol=1e-8)


@kinds
@pytest.mark.parametrize("shape", [(1, 5, 4), (3, 4, 5), (2, 1, 7), (1, 7, 1)])
@pytest.mark.parametrize("tau", [0.03, 0.2, 1.0])
def test_prox_is_the_argmin(kind, shape, tau):
    v = random(1, *shape)
    expected, bound = brute_force(v[0].numpy(), tau, kind)
    x = TV(kind=kind, gap=1e-10).prox(v, tau)
    assert np.abs(x[0].numpy() - expected).max() < 2e-5
    reached = energy(x[0].numpy(), v[0].numpy(), tau, kind)
    assert bound - 1e-12 <= reached <= bound * (1 + 1e-9) + 1e-12


@kinds
@pytest.mark.parametrize("tau", [0.02, 0.3])
def test_gap_is_kept(kind, tau):
    """A dual field of another run, at a far smaller gap, bounds the minimal energy from below."""
    v = torch.from_numpy(data.astronaut()[100:137, 200:241] / 255.0).permute(2, 0, 1)
    noise = torch.randn(v.shape, generator=torch.Generator().manual_seed(0), dtype=v.dtype)
    v = v + 0.1 * noise
    _, dual = _tv_prox._solve(v - v.mean((-2, -1), keepdim=True), tau, kind, 1e-8)
    dual = project(dual.numpy(), kind)
    adjoint = -np.diff(dual[0][:, :-1], axis=1, prepend=0, append=0)
    adjoint -= np.diff(dual[1][..., :-1], axis=2, prepend=0, append=0)
    bound = float((v.numpy() * tau * adjoint).sum() - 0.5 * ((tau * adjoint) ** 2).sum())
    cases = ((1e-2, torch.float32), (1e-4, torch.float32), (1e-6, torch.float64))
    for gap, dtype in cases:
        prior = TV(kind=kind, gap=gap)
        x = prior.prox(v[None].to(dtype), tau).double()
        reached = float(tau * prior.value(x) + 0.5 * (x - v).square().sum())
        assert bound <= reached * (1 + 1e-12)
        assert reached <= bound * (1 + 2e-8) / (1 - gap)


def test_one_row_is_the_taut_string():
    v = random(1, 1, 1, 40)
    x = TV(kind="anisotropic", gap=1e-12).prox(v, 0.15)
    np.testing.assert_allclose(x.numpy().ravel(), taut_string(v.numpy().ravel(), 0.15), atol=1e-6)


@kinds
@settings(max_examples=8, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)),
    tau=st.floats(0.01, 2.0),
    seed=st.integers(0, 1000),
)
def test_prox_is_firmly_nonexpansive(kind, shape, tau, seed):
    prior = TV(kind=kind, gap=1e-6)
    v, w = random(2, 1, *shape, seed=seed)
    x, y = prior.prox(v, tau), prior.prox(w, tau)
    slack = 1e-3 * float((v - w).norm()) ** 2 + 1e-12
    assert float((x - y).square().sum()) <= float(((x - y) * (v - w)).sum()) + slack


@kinds
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_of_a_batch_do_not_mix(kind, dtype):
    v = random(4, 3, 37, 41, dtype=dtype)
    v[1] = 0.25
    v[2] *= 30
    v[3, 0, 5, 5] = float("nan")
    prior = TV(kind=kind)
    x = prior.prox(v, 0.2)
    assert x.dtype == dtype
    assert x.shape == v.shape
    for image in range(3):
        assert torch.equal(x[image], prior.prox(v[image : image + 1], 0.2)[0])
    assert x[3, 0].isnan().all()
    assert x[3, 1:].isnan().all() == (kind == "vectorial")


@kinds
def test_prox_moves_with_shift_and_scale(kind):
    prior, v = TV(kind=kind, gap=1e-9), random(1, 3, 20, 33)
    x = prior.prox(v, 0.2)
    shift = torch.tensor([3.0, -5.0, 0.5], dtype=v.dtype).view(3, 1, 1)
    torch.testing.assert_close(prior.prox(v + shift, 0.2), x + shift, atol=1e-4, rtol=0)
    torch.testing.assert_close(prior.prox(7 * v, 7 * 0.2), 7 * x, atol=1e-4, rtol=0)
    turned = prior.prox(v.transpose(-2, -1), 0.2)
    torch.testing.assert_close(turned, x.transpose(-2, -1), atol=1e-4, rtol=0)


def test_vectorial_of_grey_is_isotropic():
    v = random(1, 1, 24, 35)
    one, other = (TV(kind=kind).prox(v, 0.1) for kind in ("vectorial", "isotropic"))
    torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


@kinds
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 90), (2, 71, 1), (1, 33, 65)])
def test_extreme_tau(kind, dtype, shape):
    v = random(1, *shape, dtype=dtype)
    mean = v.mean((-2, -1), keepdim=True).expand_as(v)
    close = {"atol": 1e-5, "rtol": 0}
    for tau in (1e-30, 1e-12, 1e-6):
        torch.testing.assert_close(TV(kind=kind).prox(v, tau), v, **close)
    for tau in (1e3, 1e9):
        torch.testing.assert_close(TV(kind=kind).prox(v, tau), mean, **close)
        far = TV(kind=kind).prox(v + 1000.0, tau)
        torch.testing.assert_close(far, mean + 1000.0, atol=1e-3, rtol=0)


@kinds
@pytest.mark.parametrize("level", [0.0, 0.1, -1e6])
def test_constant_image_stays(kind, level):
    v = torch.full((1, 3, 40, 50), level)
    assert torch.allclose(TV(kind=kind).prox(v, 0.3), v, rtol=1e-6)


def test_input_is_kept_and_the_result_is_new():
    v = random(1, 3, 40, 40)
    before = v.clone()
    x = TV().prox(v, 0.1)
    assert torch.equal(v, before)
    assert not x.requires_grad
    tiny = TV().prox(v, 1e-30)
    assert tiny.data_ptr() != v.data_ptr()


def test_gap_below_the_rounding_is_refused():
    with pytest.raises(OptionError, match="float64"):
        TV(gap=1e-8).prox(torch.rand(1, 1, 4, 4), 0.1)


def test_gap_out_of_reach_is_an_error(monkeypatch):
    monkeypatch.setattr(_tv_prox, "MOST_STEPS", 8)
    with pytest.raises(OptionError, match="after 8 steps"):
        TV(gap=1e-6).prox(random(1, 3, 8, 8), 0.3)


@pytest.mark.parametrize("options", [{"kind": "round"}, {"gap": 0.0}, {"gap": 1.0}, {"gaps": 1e-3}])
def test_wrong_options_are_refused(options):
    with pytest.raises(OptionError):
        TV(**options)
