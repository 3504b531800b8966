"""Stein's unbiased risk estimate as the objective and as the stopping criterion."""

import pytest
import torch

from invprior.builders.problem import build
from invprior.errors import IncompatibleError
from invprior.runner.api import iterate, solve
from invprior.stopping.sure import SteinRisk, Sure

SMALL = "dip:net=skip(down=[4,8],skip=2),channels=4"


def test_the_risk_of_a_linear_estimator_is_unbiased():
    """h(z) = c z has the risk (1 - c)^2 ||x||^2 + c^2 N sigma^2."""
    g = torch.Generator().manual_seed(0)
    x = torch.rand((1, 1, 128, 128), generator=g)
    sigma, c, n = 0.2, 0.6, 128 * 128
    y = x + sigma * torch.randn(x.shape, generator=g)
    direction = torch.randn(x.shape, generator=g).sign()
    pair = torch.cat((c * y, c * (y + 1e-3 * direction)))
    value = SteinRisk(sigma, direction).value(pair, y.expand_as(pair))
    risk = (float(value[0]) - n / 2) * 2 * sigma**2
    true = float((c * y - x).square().sum())
    assert len(value) == 2
    assert risk == pytest.approx(true, rel=0.05)


def test_the_input_is_the_measurement(y):
    (problem,) = build(y, prior=SMALL, noise="gaussian:sigma=0.1")
    made = Sure(input_noise=0).prepare(problem, torch.Generator().manual_seed(0))
    now = next(iter(iterate(made, "adam", seed=3)))  # some seeds amplify the difference more
    assert now.latest.shape == (2, *y.shape[1:])
    gap = float((now.latest[0] - now.latest[1]).abs().max())
    assert 0 < gap < 0.01


def test_the_divergence_is_probed_in_a_fresh_direction_at_every_step(y):
    (problem,) = build(y, prior=SMALL, noise="gaussian:sigma=0.1")
    made = Sure().prepare(problem, torch.Generator().manual_seed(0))
    seen = []
    for now in iterate(made, "adam"):
        seen.append(made.fidelity.direction.clone())
        if now.step == 3:
            break
    assert all(bool((one.abs() == 1).all()) for one in seen)
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])


def test_the_divergence_enters_every_fit(y):
    """Back-projection would fit the plain square and ignore the divergence."""
    run = {"prior": SMALL, "noise": "gaussian:sigma=0.1", "steps": 30}
    found = solve(y, stop="sure", **run)
    assert "back_projection=false" in found.provenance["solver"]
    with pytest.raises(IncompatibleError, match="back_projection of adam needs"):
        solve(y, stop="sure", solver="adam:back_projection=true", **run)


def test_it_stops_when_the_weights_know_the_noise(y):
    found = solve(y, prior=SMALL, noise="gaussian:sigma=0.3", stop="sure", steps=1500)
    assert found.stop.name == "sure"
    assert found.steps < 1500


def test_other_problems_are_refused(y):
    with pytest.raises(IncompatibleError, match=r"operator is not denoise, the prior has no dip"):
        solve(y, operator="blur", prior="tv:weight=1", stop="sure")
