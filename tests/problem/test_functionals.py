"""Priors add and scale."""

import pytest
import torch

from invprior.errors import OptionError
from invprior.problem.functionals import Prior, Term, as_prior


def weights(prior):
    return [term.weight for term in prior.terms]


def test_sums_and_weights(quadratic, sparse, drawn):
    prior = drawn + 0.5 * quadratic + sparse * 2
    assert [t.functional for t in prior.terms] == [drawn, quadratic, sparse]
    assert weights(prior) == [1.0, 0.5, 2.0]
    assert weights(3 * (quadratic + 0.5 * sparse)) == [3.0, 1.5]
    assert weights(2 * (3 * quadratic)) == [6.0]
    assert weights(0 * quadratic) == [0.0]
    assert (quadratic + as_prior(sparse)).terms == (as_prior(quadratic) + sparse).terms


def test_a_term_without_a_weight_takes_the_priors_own(quadratic):
    type(quadratic).default_weight = 7.0
    try:
        assert weights(as_prior(quadratic)) == [7.0]
        assert weights(quadratic * 0.5) == [0.5]
        assert Term(quadratic).given_weight is None
    finally:
        del type(quadratic).default_weight


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "x", None])
def test_weights_are_finite_and_not_negative(quadratic, weight):
    with pytest.raises(OptionError, match="weight of a prior must be a finite number >= 0; got"):
        quadratic * weight


def test_a_reparameterisation_takes_no_weight(drawn, quadratic):
    for prior in (drawn, drawn + quadratic):
        with pytest.raises(OptionError, match="Drawn sets x = f\\(z\\) and takes no weight"):
            0.5 * prior


def test_only_priors_are_priors(quadratic):
    assert isinstance(as_prior(quadratic), Prior)
    for wrong in (lambda x: x, "tv", 3):
        with pytest.raises(
            OptionError, match="must be a Penalty, a Proximable, a Reparameterization"
        ):
            as_prior(wrong)
        with pytest.raises(OptionError):
            quadratic + wrong


def test_a_penaltys_gradient_comes_from_autograd(quadratic, y):
    assert torch.equal(quadratic.gradient(y), y)
    with torch.no_grad():
        assert torch.equal(quadratic.gradient(y), y)
    assert not y.requires_grad
