"""From text, specs, arrays and own objects to problems."""

import numpy as np
import pytest
import torch

from invprior.builders.problem import (
    build,
    fidelity_from,
    operator_for,
    prior_from,
    solver_from,
    stop_from,
)
from invprior.errors import (
    IncompatibleError,
    InvpriorError,
    MeasurementError,
    OptionError,
    PluginError,
)
from invprior.fidelities.gaussian import Gaussian
from invprior.operators.base import LinearOperator, Operator
from invprior.priors.tikhonov import Tikhonov
from invprior.registry.spec import Spec
from invprior.solvers.fista import FISTA
from invprior.stopping.base import AllOf, AnyOf
from invprior.stopping.max_steps import MaxSteps
from invprior.stopping.relative_change import RelativeChange


def test_own_objects_are_used_as_they_are(y, doubled, quadratic):
    fidelity = Gaussian(sigma=0.1)
    (problem,) = build(y, operator=doubled, prior=quadratic, fidelity=fidelity)
    assert problem.operator is doubled
    assert problem.fidelity is fidelity
    assert [t.functional for t in problem.prior.terms] == [quadratic]


def test_text_names_registered_parts(y):
    (problem,) = build(y, prior="tikhonov:weight=3", noise="gaussian:sigma=0.2")
    assert isinstance(problem.prior.terms[0].functional, Tikhonov)
    assert problem.prior.terms[0].weight == 3.0
    assert problem.noise_level == pytest.approx(0.2)


def test_each_image_of_a_batch_is_a_problem(y):
    batch = torch.cat([y, y + 0.1, y + 0.2])
    problems = build(batch, prior="tikhonov")
    assert [tuple(p.y.shape) for p in problems] == [(1, 2, 6, 5)] * 3
    assert torch.equal(torch.cat([p.y for p in problems]), batch)


def test_the_noise_level_is_estimated_for_each_image():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((1, 1, 64, 64), generator=generator)
    low, high = build(torch.cat([0.5 + 0.02 * noise, 0.5 + 0.1 * noise]), prior="tikhonov")
    assert low.noise_level == pytest.approx(0.02, rel=0.3)
    assert high.noise_level == pytest.approx(0.1, rel=0.3)
    assert low.fidelity.sigma == low.noise_level


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_arrays_have_their_channels_last(shape):
    (problem,) = build(np.zeros(shape, np.uint8), prior="tikhonov")
    assert tuple(problem.y.shape) == (1, shape[2] if len(shape) == 3 else 1, 6, 5)


def test_the_callers_own_modules_are_not_moved(y):
    class Scaled(LinearOperator):
        def __init__(self, image_shape):
            super().__init__(image_shape)
            self.register_buffer("scale", torch.full((), 2.0))

        def forward(self, x):
            return self.scale * x

    own = Scaled((2, 6, 5))
    (problem,) = build(y, operator=own, prior="tikhonov", dtype=torch.float64)
    assert own.scale.dtype == torch.float32
    assert problem.operator.scale.dtype == torch.float64
    assert problem.y.dtype == torch.float64


def test_the_faults_of_all_parts_are_told_at_once(y):
    with pytest.raises(OptionError) as caught:
        build(
            y,
            operator="denoize",
            prior="tikhonov:wieght=1 + tvv + tv:weight=-1",
            fidelity="gaussian:sigma=0",
        )
    message = str(caught.value)
    assert 'Unknown operator "denoize" (did you mean "denoise"?)' in message
    assert (
        'tikhonov has no option "wieght" (did you mean "weight"?); it has: order, weight' in message
    )
    assert 'Unknown prior "tvv" (did you mean "tv"?)' in message
    assert 'The option "weight" of tv must be a finite number >= 0 or auto; got -1.' in message
    assert 'The option "sigma" of gaussian must be greater than 0; got 0.' in message


def test_a_single_fault_keeps_its_type(y):
    with pytest.raises(PluginError, match="tvv"):
        build(y, prior="tvv")


@pytest.mark.parametrize("weight", ["-1", "inf", "nan", "true", "heavy"])
def test_weights_in_text_are_checked(weight):
    with pytest.raises(
        OptionError,
        match='The option "weight" of tikhonov must be a finite number >= 0 or auto; got',
    ):
        prior_from(f"tikhonov:weight={weight}")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (
            lambda: operator_for(3, image=(1, 2, 2)),
            "operator must be a name, a spec or an Operator; got int",
        ),
        (
            lambda: operator_for(Operator, image=(1, 2, 2)),
            "operator must be a name, a spec or an Operator",
        ),
        (lambda: prior_from(3), "prior must be a Penalty"),
        (lambda: prior_from(None), "prior must be a Penalty"),
        (lambda: stop_from(3), "stopping rule must be a name, a spec or a StoppingRule; got int"),
        (lambda: solver_from(FISTA), "solver must be a name, a spec or a Solver"),
        (lambda: fidelity_from(3, None), "fidelity must be a name, a spec or a Fidelity; got int"),
        (lambda: fidelity_from(None, 0.1), "noise must be a name, a spec or a Noise; got float"),
        (
            lambda: build(torch.zeros(4, 4), prior="tikhonov", nan="drop"),
            'must be "refuse" or "mask"',
        ),
    ],
)
def test_objects_of_the_wrong_kind_are_refused(make, what):
    with pytest.raises(OptionError, match=what):
        make()


def test_rules_join_as_the_text_says():
    assert stop_from("relative-change:patience=3 | max-steps") == AnyOf(
        (RelativeChange(patience=3), MaxSteps())
    )
    assert stop_from("relative-change & max-steps:steps=5") == AllOf(
        (RelativeChange(), MaxSteps(steps=5))
    )
    rule = MaxSteps()
    assert stop_from(rule) is rule
    assert stop_from(Spec("max-steps", {"steps": 3})) == MaxSteps(steps=3)


def test_the_noise_gives_the_fidelity_unless_one_is_given():
    assert fidelity_from(None, "gaussian:sigma=0.3").sigma == 0.3
    assert fidelity_from("gaussian:sigma=0.1", "gaussian:sigma=0.3").sigma == 0.1
    assert fidelity_from(None, None).sigma is None


def test_a_measurement_of_another_shape_is_refused(y, doubled):
    with pytest.raises(
        MeasurementError,
        match=r"\(1, 2, 6, 5\) that the operator Doubled gives; got \(1, 2, 6, 4\)",
    ):
        build(y[..., :4], operator=doubled, prior="tikhonov")


def test_nan_is_refused_or_masked(y):
    y = torch.cat([y, y])
    y[0, 0, 2, 3] = float("nan")
    y[0, 1, 0, 0] = float("inf")
    with pytest.raises(MeasurementError, match=r"2 of its 60 .* NaN or infinite.*nan=.mask"):
        build(y, prior="tikhonov")
    first, second = build(y, prior="tikhonov", nan="mask")
    assert (first.measurements, second.measurements) == (58, 60)
    assert bool(torch.isfinite(first.y).all())
    x = torch.rand((1, 2, 6, 5))
    kept = torch.isfinite(y[:1])
    assert torch.equal(first.operator(x), x * kept)
    assert torch.equal(first.operator.adjoint(x), x * kept)
    inner = "inpaint:boxes=[[0, 0, 1, 1]]"  # the operator's own holes stay holes
    assert build(y, operator=inner, prior="tikhonov", nan="mask")[0].measurements == 57
    with pytest.raises(MeasurementError, match="no finite value"):
        build(y * float("nan"), prior="tikhonov", nan="mask")


def test_two_reparameterisations_are_refused(y, drawn):
    with pytest.raises(IncompatibleError, match=r"Drawn and Drawn both do. Keep one"):
        build(y, prior=drawn + drawn)


def test_every_error_is_an_invprior_error_with_an_exit_code():
    for kind in (IncompatibleError, MeasurementError, OptionError, PluginError):
        assert issubclass(kind, InvpriorError)
        assert issubclass(kind, ValueError)
        assert kind.exit_code == 2


@pytest.mark.parametrize(
    ("fidelity", "level"),
    [("gaussian:sigma=0.2", 0.2), ("huber:sigma=0.2", 0.2), ("laplace:scale=0.2", 0.2 * 2**0.5)],
)
def test_a_fidelity_that_knows_the_noise_is_believed(y, fidelity, level):
    (problem,) = build(y[:1], prior="tikhonov", fidelity=fidelity)
    assert problem.noise_level == pytest.approx(level)
