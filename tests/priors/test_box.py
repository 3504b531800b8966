"""Constraints on intensities."""

import numpy as np
import pytest
import scipy.optimize
import torch

import invprior
from invprior import registry
from invprior.errors import IncompatibleError, OptionError
from invprior.operators.matrix import Matrix
from invprior.priors.box import Box, Nonneg
from invprior.testing import parametrize_checks


@parametrize_checks(Box(low=0.2, high=0.6))
def test_kit(check):
    check()


@pytest.mark.parametrize(
    ("solver", "scale"), [("auto", 4095.0), ("fista", 1.0), ("admm", 4095.0), ("pdhg", 1.0)]
)
def test_the_minimum_is_that_of_scipys_bounded_least_squares(solver, scale):
    operator = Matrix((1, 5, 5), keep=2.0)
    matrix = operator(torch.eye(25, dtype=torch.float64).view(25, 1, 5, 5)).numpy().T
    truth = scale * torch.rand((1, 1, 5, 5), generator=torch.Generator().manual_seed(1)).double()
    y, _ = invprior.simulate(
        truth, operator=operator, noise=f"gaussian:sigma={0.1 * scale}", dtype=torch.float64
    )
    low, high = 0.2 * scale, 0.6 * scale
    exact = scipy.optimize.lsq_linear(matrix, y[0].numpy(), (low, high)).x
    found = invprior.solve(
        y,
        operator=operator,
        prior=f"tikhonov:order=0,weight=0 + box:low={low},high={high}",
        noise=f"gaussian:sigma={0.1 * scale}",
        solver=solver,
        steps=1000,
        stop="relative-change:tolerance=1e-7",
        dtype=torch.float64,
    )
    assert np.abs(found.x.numpy().ravel() - exact).max() <= 2e-3 * scale
    assert found.x.min() >= low
    assert found.x.max() <= high
    assert f"box:low={low},high={high}" in found.provenance["prior"]  # a record repeats the run


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_solvers_that_differentiate_refuse(solver):
    with pytest.raises(IncompatibleError, match="box has only a prox"):
        invprior.solve(torch.rand(8, 8), prior="tikhonov:weight=1 + box:low=0", solver=solver)


def test_no_weight_is_searched_for_a_constraint():
    x = torch.rand((1, 1, 16, 16), generator=torch.Generator().manual_seed(0)) - 0.3
    found = invprior.solve(x, prior="tv + nonneg", noise="gaussian:sigma=0.1", steps=20)
    assert [name for name, _ in found.provenance["weights"]["terms"]] == ["tv"]
    assert found.x.min() >= 0


def test_options():
    assert Nonneg().low == 0
    assert str(registry.describe(Nonneg())) == "nonneg"
    for wrong in ({}, {"low": 1.0, "high": 0.0}):
        with pytest.raises(OptionError, match="box"):
            Box(**wrong)
    with pytest.raises(OptionError, match="weight"):
        invprior.build(torch.rand(8, 8), prior="tv + box:low=0,weight=2")
