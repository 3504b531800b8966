"""What a solver needs of a fidelity."""

import pytest
import torch

import invprior
from invprior.errors import IncompatibleError
from invprior.fidelities.base import Fidelity, ProximableFidelity


class Ball(ProximableFidelity):
    """The indicator of ||p - y|| <= 0.3: its prox is a projection, and its value has no gradient."""

    @property
    def noise_level(self):
        return 0.1

    def value(self, prediction, y):
        inside = (prediction - y).flatten(1).norm(dim=1) <= 0.3
        return torch.where(inside, 0.0, torch.inf)

    def prox(self, v, y, tau):
        difference = v - y
        size = difference.flatten(1).norm(dim=1).clamp_min(1e-9).view(-1, 1, 1, 1)
        return y + difference * (0.3 / size).clamp_max(1)


@pytest.mark.parametrize(
    ("prior", "solver"),
    [
        ("dip:net=skip(down=[4],up=[4]),members=1", "auto"),
        ("dip:net=skip(down=[4],up=[4]),members=1", "admm"),
        ("tikhonov:weight=1", "adam"),
        ("tikhonov:weight=1", "lbfgs"),
    ],
)
def test_a_fidelity_with_only_a_prox_does_not_fit_where_its_value_is_differentiated(
    y, prior, solver
):
    with pytest.raises(
        IncompatibleError, match="needs a fidelity with a value to differentiate, and that of ball"
    ):
        invprior.solve(y, prior=prior, fidelity=Ball(), solver=solver, steps=2)


@pytest.mark.parametrize("solver", ["admm", "pdhg"])
def test_it_fits_where_its_prox_is_taken(y, solver):
    found = invprior.solve(y, prior="tv:weight=1", fidelity=Ball(), solver=solver, steps=100)
    assert float((found.x - y).norm()) == pytest.approx(0.3, rel=0.02)


def test_a_value_that_autograd_differentiates_needs_no_prox(y):
    class Plain(Fidelity):
        noise_level = 0.1

        def value(self, prediction, y):
            return (prediction - y).abs().flatten(1).sum(1)

    found = invprior.solve(y, prior="tikhonov:weight=1", fidelity=Plain(), solver="adam", steps=2)
    assert found.x.isfinite().all()
