"""Measurements that are no images: sinograms and k-spaces."""

import pytest
import torch

from invprior import samples
from invprior.fidelities.laplace import Laplace
from invprior.noise_estimation.gaussian import estimate_gaussian
from invprior.problem.functionals import Prior
from invprior.problem.problem import Problem
from tests.operators.test_imaging import Angles, Spectrum


def measured(kind, noise, name="camera", size=48):
    """A problem whose noise is a share of the spread of its data, and sigma; the spectrum's is absolute."""
    x = samples.load(name, size).x[:, :1]
    operator = kind(x.shape[1:])
    y = operator(x)
    sigma = noise * (1.0 if kind is Spectrum else float(y.std()))
    y = y + sigma * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    return Problem(operator, y, Prior(())), sigma


@pytest.mark.parametrize("kind", [Spectrum, Angles])
@pytest.mark.parametrize("name", ["camera", "coins", "moon"])
@pytest.mark.parametrize("noise", [0.01, 0.05, 0.2])
def test_the_uncertainty_is_honest(kind, name, noise):
    problem, sigma = measured(kind, noise, name)
    found = problem.noise
    assert abs(found.sigma / sigma - 1) < 2.5 * found.uncertainty
    assert (found.note is None) == (found.uncertainty <= 0.15)
    assert found.note is None or "the measurement is no image" in found.note
    assert noise < 0.2 or found.sigma == pytest.approx(sigma, rel=0.12)


def test_an_image_based_estimate_would_claim_too_much():
    problem, sigma = measured(Spectrum, 0.05, "coins")
    as_image = estimate_gaussian(problem.y)
    assert abs(as_image.sigma / sigma - 1) > 5 * as_image.uncertainty
    assert "the measurement is no image" in problem.noise.note
    other = Problem(problem.operator, problem.y, Prior(()), Laplace())
    assert other.noise == problem.noise


def test_units_change_nothing():
    y = measured(Angles, 0.05)[0].y.flatten(1, 2).double()
    own, found = estimate_gaussian(y), estimate_gaussian(4095 * y - 700)
    assert found.sigma == pytest.approx(4095 * own.sigma, rel=1e-3)
    assert found.uncertainty == pytest.approx(own.uncertainty, rel=1e-3)
