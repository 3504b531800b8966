"""Faults that were seen in another library by running it; each cannot happen here."""

import time

import pytest
import torch

import invprior
from invprior.errors import IncompatibleError, MeasurementError, OptionError
from invprior.operators.base import LinearOperator
from invprior.operators.blur import Blur
from invprior.problem.solution import DivergedError
from invprior.solvers.fista import FISTA
from invprior.stopping.max_steps import MaxSteps
from invprior.testing import check

DIP = "dip:net=skip(down=[4],up=[4]),members=1"


def images(count=1):
    """Different images, (count, 1, 12, 14), float32."""
    x = torch.rand((count, 1, 12, 14), generator=torch.Generator().manual_seed(0))
    x[0, :, :6] *= 0.2
    return x


def solve(y, **options):
    return invprior.solve(y, **{"prior": DIP, "steps": 6, "noise": "gaussian:sigma=0.1", **options})


def test_the_second_image_starts_from_a_network_of_its_own():
    y = images(2)
    both = solve(y)
    alone = solve(y[1:])
    assert torch.equal(both.x[1:], alone.x)
    again = solve(y[1:])  # nothing is left over from a call before either
    assert torch.equal(again.x, alone.x)


def test_a_batch_of_two_gives_two_images_each_fitted_to_its_own():
    y = images(2)
    both = solve(y, steps=150, stop="max-steps:steps=150")
    assert both.x.shape == y.shape
    errors = [[float((x - z).square().mean()) for z in y] for x in both.x]
    assert errors[0][0] < errors[0][1]
    assert errors[1][1] < errors[1][0]


def test_dip_takes_the_common_loop_with_stopping_seed_history_average_noise_and_added_priors():
    y = images()
    seen = []
    solution = solve(
        y,
        prior=f"{DIP},average=0.9,input_noise=0.1 + tv:weight=2",
        stop="max-steps:steps=5",
        steps=None,
        solver="adam:lr=0.02",
        record_every=1,
        callbacks=[seen.append],
        seed=3,
    )
    assert solution.stop.name == "max-steps"
    assert [row["step"] for row in solution.history] == [1, 2, 3, 4, 5] == [s.step for s in seen]
    assert solution.provenance["seed"] == 3
    assert not torch.equal(solve(y, seed=3).x, solve(y, seed=4).x)
    plain = solve(y).x
    for more in (",average=0", ",input_noise=0.3", " + tv:weight=50"):
        assert not torch.equal(solve(y, prior=DIP + more).x, plain), more


def test_a_step_that_is_too_large_or_nan_in_y_is_refused_and_a_run_that_diverges_says_so():
    y = images()
    problem = {"operator": "blur:sigma=1", "prior": "tikhonov:order=0"}
    with pytest.raises(IncompatibleError, match=r"step_size of fista must be at most"):
        solve(y, solver="fista:step_size=1,momentum=false", **problem)
    with pytest.raises(DivergedError, match="The run diverged") as found:
        solve(y, solver="fista:step_size=1,momentum=false,force=true", steps=100, **problem)
    assert found.value.solution.x.isfinite().all()
    y[0, 0, 3, 4] = torch.nan
    with pytest.raises(MeasurementError, match="must be finite; 1 of its 168 values"):
        solve(y, **problem)


class DoubledAdjoint(LinearOperator):
    """A blur whose adjoint is twice too large."""

    def __init__(self, image_shape):
        super().__init__(image_shape)
        self.blur = Blur(image_shape, sigma=1.0)

    def forward(self, x):
        return self.blur(x)

    def adjoint(self, y):
        return 2 * self.blur.adjoint(y)

    def norm(self):
        return 2.0


def test_a_wrong_adjoint_is_told_and_the_test_of_it_gives_a_verdict():
    y = images()
    told = "the operator's adjoint is wrong, so do not trust this result: the adjoint is scaled by 2, should be 1"
    solution = solve(y, operator=DoubledAdjoint((1, 12, 14)), prior="tikhonov:weight=9")
    assert any(note.startswith(told) for note in solution.notes)
    assert solve(y, operator="blur:sigma=1", prior="tikhonov:weight=9").notes == ()
    report = check(DoubledAdjoint)
    assert not report.ok
    assert report.failures["adjoint"] == "the adjoint is scaled by 2, should be 1"


def test_an_unknown_option_of_an_operator_is_an_error():
    with pytest.raises(OptionError, match=r'blur has no option "sigmma" \(did you mean "sigma"'):
        solve(images(), operator="blur:sigmma=2")
    with pytest.raises(OptionError, match='no option "sigmma"'):
        Blur((1, 12, 14), sigmma=2)


def test_the_time_that_is_told_holds_the_reconstruction():
    class Slow(LinearOperator):
        def forward(self, x):
            time.sleep(0.02)
            return 1.0 * x

    found = invprior.solve(
        images(), operator=Slow((1, 12, 14)), prior="tikhonov:weight=9", noise="gaussian:sigma=0.1",
        solver=FISTA(step_size=1e-3), stop=MaxSteps(steps=5), record_every=0,
    )  # fmt: skip
    assert found.steps == 5
    assert found.seconds >= 5 * 0.02
