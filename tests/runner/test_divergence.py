"""A run that ends far from the minimum does not end well, though its intensities are small enough."""

import pytest
import torch

from invprior import DivergedError, Penalty, samples, solve
from invprior.problem.functionals import Prior

NOISE = {"noise": "gaussian:sigma=0.05", "record_every": 0}
DIP = "dip:net=skip(down=[4],up=[4]),members=1"


@pytest.fixture(scope="module")
def y():
    truth = samples.load("camera", 24).x
    return truth + 0.05 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("prior", "solver", "steps"),
    [("tikhonov", "adam:lr=100", 100), (DIP, "adam:lr=1e6,rollback=false", 30)],
)
def test_an_end_far_above_the_start_keeps_the_best(y, prior, solver, steps):
    with pytest.raises(
        DivergedError, match=r"its energy was .* more than that of a constant image, at iteration"
    ) as caught:
        solve(y, prior=prior, solver=solver, stop=f"max-steps:steps={steps}", **NOISE)
    assert "smaller step size" in str(caught.value)
    best = caught.value.solution
    assert best.stop.name == "diverged"
    assert float((best.x - y).square().mean()) < 0.1


def test_a_penalty_without_a_lower_bound_has_no_minimum(y):
    class Pole(Penalty):
        def value(self, x):
            return -1e4 * x.square().flatten(1).sum(1)

    with pytest.raises(DivergedError, match=r"no minimum to find.*falls is pole.*bounded below"):
        solve(y, prior=1.0 * Pole(), solver="adam", stop="max-steps:steps=256", **NOISE)


def test_an_energy_below_zero_is_no_fault_where_it_has_a_minimum(y):
    class Bowl(Penalty):
        def value(self, x):
            return (-1e3 * x.abs()).flatten(1).sum(1)

    assert solve(y, prior=1.0 * Bowl(), solver="lbfgs", **NOISE).stop.ok


def test_an_estimate_worse_than_a_constant_image_is_told(y):
    found = solve(y, prior=DIP, stop="max-steps:steps=1", **NOISE)
    assert any("worse than a constant image" in note for note in found.notes)
    found = solve(y, prior=DIP, stop="max-steps:steps=40", **NOISE)
    assert not any("constant image" in note for note in found.notes)


def test_without_a_finite_iterate_there_is_no_solution(y):
    class Nothing(Penalty):
        def value(self, x):
            return torch.nan * x.flatten(1).sum(1)

    with pytest.raises(DivergedError) as caught:
        solve(y, prior=Prior(()) + 1.0 * Nothing(), solver="adam", steps=3, **NOISE)
    # The start itself is finite, and the best that there is.
    assert caught.value.solution.x.isfinite().all()
