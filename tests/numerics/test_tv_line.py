"""The exact total variation of signals."""

import numpy as np
import pytest
import torch

from invprior.numerics.tv_line import tv_prox_of_signal
from invprior.numerics.tv_prox import tv_prox


def dual_fault(x, v, tau):
    """Return how far x is from the minimum by its own conditions: |u| <= tau, and u = ±tau where x jumps."""
    dual = np.cumsum(v - x)
    jumps = np.diff(x)
    beyond = np.abs(dual[:-1]).max(initial=0) - tau
    slack = np.abs(tau * np.sign(jumps) + dual[:-1])[np.abs(jumps) > 1e-9].max(initial=0)
    return max(beyond, slack, abs(dual[-1]))


@pytest.mark.parametrize("n", [1, 2, 3, 17, 500])
@pytest.mark.parametrize("tau", [0.01, 0.3, 2, 100])
@pytest.mark.parametrize("kind", ["walk", "integers", "noise"])
def test_the_minimum_is_exact(n, tau, kind):
    generator = np.random.default_rng(n)
    v = generator.standard_normal(n)
    v = v if kind == "noise" else np.cumsum(v)
    v = np.round(v) if kind == "integers" else v  # with ties
    x = tv_prox_of_signal(torch.from_numpy(v), tau).numpy()
    assert dual_fault(x, v, tau) < 1e-8 * max(1, np.abs(v).sum())


@pytest.mark.parametrize("kind", ["vectorial", "isotropic", "anisotropic"])
@pytest.mark.parametrize("column", [False, True])
def test_the_prox_of_a_row_is_exact_at_any_gap(kind, column):
    v = torch.from_numpy(np.cumsum(np.random.default_rng(0).standard_normal((2, 200)), 1))
    images = v[:, None, None].mT if column else v[:, None, None]
    found = tv_prox(images, 3.0, kind, gap=0.1)
    assert found.shape == images.shape
    for x, signal in zip(found, v, strict=True):
        assert dual_fault(x.flatten().numpy(), signal.numpy(), 3.0) < 1e-8
    # A picture whose rows are equal has the same minimum, within the gap.
    if not column:
        picture = tv_prox(images[:1].expand(1, 1, 4, 200).contiguous(), 3.0, kind, gap=1e-8)
        assert torch.allclose(picture[0, 0, 1], found[0, 0, 0], atol=1e-3)


def test_values_that_are_not_finite_give_nan():
    assert tv_prox_of_signal(torch.tensor([0.0, torch.inf, 1.0]), 1.0).isnan().all()
