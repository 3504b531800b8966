"""A run in units of the image's range: data at any scale give the same result."""

import numpy as np
import pytest
import torch

from invprior import build, iterate, samples, solve, solve_problem
from invprior.errors import IncompatibleError
from invprior.operators.base import Operator
from invprior.problem.functionals import Penalty
from invprior.problem.units import PHOTOGRAPH, DataRange, Units

SIDE = 24
# Scale and offset of the data. A prior whose minimum moves with an offset is tried without one.
SCALES = [(1e-3, 0.0), (255.0, 0.0), (4095.0, 0.0), (65535.0, 0.0), (1.0, 3.0)]
NOISE = 0.05


@pytest.fixture(scope="module")
def truth():
    return samples.load("camera", SIDE).x


def measured(truth, operator):
    """Return a noisy measurement of the truth, and the operator for an image of its shape."""
    from invprior.builders.problem import operator_for

    made = operator_for(operator, image=tuple(truth.shape[1:]))
    y = made(truth)
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    return y + NOISE * noise, made


NETWORK = "dip:net=skip(down=[8, 8], skip=2),precision=full"
PRIORS = {
    "tv": 20,
    "wavelet": 20,
    "tikhonov": 20,
    "tikhonov:order=0": 20,
    "none": 5,
    "pnp:denoiser=wavelet": 8,
    "red": 8,
    NETWORK: 15,
    f"{NETWORK} + tv": 15,
}
OPERATORS = ["denoise", "blur:sigma=1", "inpaint:keep=0.7", "downsample:factor=2"]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("prior", PRIORS)
def test_scaled_data_give_the_scaled_image(prior, operator, truth):
    y, made = measured(truth, operator)
    # Searches take long through an operator; they are tried where there is none.
    weight = "auto" if operator == "denoise" else "default"
    keep = {"operator": made, "prior": prior, "steps": PRIORS[prior], "weight": weight}
    if NETWORK in prior:
        # Adam's first steps are as large for tiny gradients, and make an image of a rounding error.
        y, made = y.double(), made.double()
        keep |= {"operator": made, "dtype": torch.float64}
    expected = solve(y, noise=f"gaussian:sigma={NOISE}", **keep).x
    for scale, offset in SCALES:
        if offset and prior == "tikhonov:order=0":
            continue
        data = scale * y + offset * made(torch.ones_like(truth).to(y))
        found = solve(data, noise=f"gaussian:sigma={scale * NOISE}", **keep).x
        error = float(((found - offset) / scale - expected).square().mean().sqrt() / truth.std())
        assert error < 0.01, (scale, offset, error)


def test_given_weights_keep_their_meaning_in_units_of_the_data(truth):
    y, _ = measured(truth, "denoise")
    for prior, factor in (("tv", 1 / 255), ("wavelet", 1 / 255), ("tikhonov", 1 / 255**2)):
        expected = solve(y, prior=f"{prior}:weight=8", noise="gaussian:sigma=0.05").x
        data = solve(
            255 * y, prior=f"{prior}:weight={8 * factor}", noise=f"gaussian:sigma={255 * 0.05}"
        )
        torch.testing.assert_close(data.x / 255, expected, rtol=0, atol=2e-3)
        assert data.provenance["prior"].startswith(f"{prior}:weight={8 * factor}")


def test_callers_see_the_units_of_the_data(truth):
    y, made = measured(truth, "blur:sigma=1")
    y = 1000 * y - 300
    seen = []
    run = {"operator": made, "prior": "tv", "noise": "gaussian:sigma=50"}
    found = solve(
        y, **run, stop="max-steps:steps=3", weight="default", x0=y, callbacks=[seen.append]
    )
    (problem,) = build(y, **run)
    steps = iterate(problem, x0=y)
    for iterate_seen, by_hand in zip(seen, steps, strict=False):
        torch.testing.assert_close(iterate_seen.x, by_hand.x, rtol=0, atol=1e-2)
        assert iterate_seen.x.min() < -100
        residual = (made(iterate_seen.x) - y).square().sum() / (2 * 50**2)
        assert iterate_seen.energy > 0.99 * residual
    assert torch.equal(seen[-1].x, found.x)
    assert found.provenance["noise_level"] == 50.0
    assert problem.standardised.noise_level == pytest.approx(50 / problem.standardised.units.scale)
    assert problem.standardised.standardised is problem.standardised
    assert problem.standardised.in_data_units is problem


class Undeclared(Penalty):
    """Half the sum of squares; it does not say how it scales."""

    def value(self, x):
        return 0.5 * x.square().flatten(1).sum(1)


def test_an_undeclared_prior_keeps_the_units_of_the_data(truth):
    y, _ = measured(truth, "denoise")
    data = solve(255 * y, prior=2 * Undeclared(), noise="gaussian:sigma=10", steps=400)
    torch.testing.assert_close(data.x, 255 * y / (1 + 2 * 10**2), rtol=1e-3, atol=1e-2)
    assert any("does not say how it scales" in note for note in data.notes)
    assert not solve(y, prior=2 * Undeclared(), noise="gaussian:sigma=0.05", steps=5).notes


class Square(Operator):
    """Squares every pixel."""

    def forward(self, x):
        return x.square()


def test_without_linearity_the_units_stay(truth):
    squared = Square(tuple(truth.shape[1:]))
    (problem,) = build(255 * truth, operator=squared, prior="tv", noise="gaussian:sigma=1")
    assert problem.standardised is problem
    (problem,) = build(
        truth, operator=squared, prior="tv", noise="gaussian:sigma=1", data_range=(0, 9)
    )
    with pytest.raises(IncompatibleError, match=r"needs a linear operator; square is not linear"):
        solve_problem(problem)


def test_a_network_that_reaches_the_ends_of_its_range_is_noted(truth):
    y, _ = measured(truth, "denoise")
    run = {"prior": NETWORK, "noise": "gaussian:sigma=0.05"}
    found = solve(y, data_range=(0.4, 0.5), stop="max-steps:steps=150", **run)
    assert any("lie at an end of its range, 0.4 to 0.5" in note for note in found.notes)


def test_counts_with_a_fixed_zero_are_scaled_only(truth):
    y, _ = measured(truth, "denoise")
    (counts,) = build(4095 * y.clamp_min(0), prior="tv", noise="poisson:gain=4")
    assert counts.standardised.units.low == 0
    (dark,) = build(4095 * y, prior="tikhonov:order=0", noise="gaussian:sigma=200")
    assert dark.standardised.units.low == 0
    (photograph,) = build(y, prior="tv", data_range=(0, 1))
    assert photograph.image_range == PHOTOGRAPH
    assert photograph.standardised is photograph
    assert Units(-1.0, 2.0).outward(torch.ones(1)) == DataRange(-1.0, 1.0).high


def test_constant_and_huge_data_have_a_range():
    for y in (np.zeros((16, 16)), np.full((16, 16), -7.0), 1e30 * np.eye(16), 1e-30 * np.eye(16)):
        found = solve(y.astype(np.float32), prior="tv", noise=None, weight="default")
        assert found.x.isfinite().all()
        low, high = found.provenance["data_range"]
        assert low <= y.min() < high
