"""The criterion of each rule, compared with the ground truth or with its definition."""

from dataclasses import replace

import pytest
import torch

import invprior
from invprior import samples
from invprior.builders.problem import build, weight_rule_from
from invprior.errors import IncompatibleError, OptionError
from invprior.fidelities.gaussian import Gaussian
from invprior.numerics.linalg import dot
from invprior.priors.tikhonov import Tikhonov
from invprior.priors.wavelet import Wavelet
from invprior.problem.functionals import Prior, Term
from invprior.tuning.search import choose_weights
from invprior.weights.auto import Auto
from invprior.weights.holdout import Holdout
from invprior.weights.sure import SURE

SIGMA = 0.1
NOISE = f"gaussian:sigma={SIGMA}"


@pytest.fixture(scope="module")
def truth():
    return samples.load("camera", 32).x


def problem_of(truth, prior="tikhonov", operator="denoise", sigma=SIGMA, **options):
    noise = f"gaussian:sigma={sigma}"
    y, made = invprior.simulate(truth, operator=operator, noise=noise, seed=2)
    return build(y, operator=made, prior=prior, **{"noise": noise, **options})[0]


def generator():
    return torch.Generator().manual_seed(4)


def weighted(problem, weight):
    (term,) = problem.prior.terms
    return invprior.Problem(
        problem.operator, problem.y, Prior((Term(term.functional, weight),)), problem.fidelity
    )


@pytest.mark.parametrize("functional", [Tikhonov(), Tikhonov(order=0), Wavelet(wavelet="haar")])
def test_the_closed_form_of_the_degrees_of_freedom_is_the_trace_of_the_derivative(functional):
    v = torch.rand(1, 3, 8, 6, generator=generator(), dtype=torch.float64)
    basis = torch.eye(v.numel(), dtype=torch.float64).view(-1, *v.shape[1:])
    step = 1e-6
    moved = functional.prox(v + step * basis, 0.05) - functional.prox(v, 0.05)
    trace = float(moved.flatten(1).diagonal().sum()) / step
    assert functional.degrees_of_freedom(v, 0.05) == pytest.approx(trace, rel=1e-4)


def test_without_a_closed_form_there_are_no_degrees_of_freedom():
    v = torch.zeros(1, 1, 8, 8)
    assert Wavelet(kind="l0", wavelet="haar").degrees_of_freedom(v, 0.1) is None
    assert Wavelet(wavelet="bior4.4").degrees_of_freedom(v, 0.1) is None
    assert invprior.registry.create("priors", "tv").degrees_of_freedom(v, 0.1) is None


@pytest.mark.parametrize("weight", [10.0, 60.0, 200.0])
def test_sure_is_the_error_of_the_restoration(truth, weight):
    """By the closed form, and by the probe that `tikhonov` under a blur of width 0 needs."""
    for operator in ("denoise", "blur:sigma=0.01"):
        problem = weighted(problem_of(truth, operator=operator), weight)
        trial = SURE().start(problem, generator())
        x = Tikhonov().prox(problem.y, weight * SIGMA**2)
        images = [Tikhonov().prox(v.y, weight * SIGMA**2) for v in trial.views]
        error = float((x - truth).square().mean()) / SIGMA**2
        assert trial.criterion(problem, images) == pytest.approx(error, abs=0.08)
        assert len(trial.views) == (0 if operator == "denoise" else 2)


def test_generalised_sure_tells_errors_apart_where_the_damped_inverse_sees_them(truth):
    problem = problem_of(truth, operator="blur:sigma=1.0", sigma=0.02)
    operator, damping = problem.operator, 0.05
    trial = SURE(damping=damping).start(problem, generator())
    estimated, true = [], []
    for weight in (60, 1000):
        found = [
            invprior.solve(
                view.y,
                operator=operator,
                prior=f"tikhonov:weight={weight}",
                noise="gaussian:sigma=0.02",
            ).x
            for view in trial.views
        ]
        error = operator(found[0] - truth)
        seen = operator(
            operator.solve_damped(operator.adjoint(error), damping * operator.norm() ** 2)
        )
        estimated.append(trial.criterion(problem, found))
        true.append(float(dot(error, (error - seen) / damping)) / 0.02**2 / truth.numel())
    assert true[1] > true[0] + 1
    assert estimated[1] - estimated[0] == pytest.approx(true[1] - true[0], rel=0.2)


def test_gcv_needs_no_noise_level(truth):
    problem = weighted(problem_of(truth), 60.0)
    other = build(problem.y, prior="tikhonov:weight=240", noise=f"gaussian:sigma={SIGMA / 2}")[0]
    figures = []
    for p in (problem, other):  # the same restoration, as weight * sigma^2 is the same
        trial = weight_rule_from("gcv").start(p, generator())
        figures.append(trial.criterion(p, ()) * (1.0 / p.fidelity.precision))
    assert figures[0] == pytest.approx(figures[1], rel=1e-6)


def test_discrepancy_is_zero_where_the_residual_is_the_noise(truth):
    problem = problem_of(truth)
    trial = weight_rule_from("discrepancy").start(problem, generator())
    noise = torch.randn(truth.shape, generator=generator())
    x = problem.y + SIGMA * noise / noise.square().mean().sqrt()
    assert trial.criterion(problem, [x]) == pytest.approx(0, abs=1e-6)
    assert trial.criterion(problem, [problem.y]) > trial.criterion(problem, [x + 0.01])


def test_the_l_curve_is_the_product_of_misfit_and_prior(truth):
    problem = problem_of(truth)
    trial = weight_rule_from("l-curve").start(problem, generator())
    x = truth + 0.01
    product = float((x - problem.y).square().sum()) * 60 * float(Tikhonov().value(x))
    assert trial.criterion(problem, [x]) == pytest.approx(product / truth.numel() ** 2, rel=1e-4)


def test_holdout_uses_the_measurements_that_were_not_fitted(truth):
    problem = problem_of(truth.expand(1, 3, 32, 32), operator="inpaint:keep=0.5")
    trial = Holdout(fraction=0.2).start(problem, generator())
    measured = problem.observation_mask.expand(problem.y.shape)
    parts = [measured & ~v.observation_mask.expand(problem.y.shape) for v in trial.views]
    assert len(parts) == 4  # one part of a small image leaves the weight to chance
    assert int(torch.stack(parts).sum(0).max()) == 1
    for part in parts:
        assert 0.1 < int(part.sum()) / problem.measurements < 0.3
        assert bool((part.any(1) == part.all(1)).all())  # a pixel is held out in all channels
    x = truth.expand(1, 3, 32, 32)
    before = trial.criterion(problem, [x] * 4)
    assert before == pytest.approx(0.5, abs=0.1)  # half a squared noise
    assert trial.criterion(problem, [x + 0.5 * ~part for part in parts]) == before
    assert trial.criterion(problem, [x, x, x, x + 0.5]) > before + 1
    large = problem_of(torch.zeros(1, 1, 208, 208))
    assert len(Holdout().start(large, generator()).views) == 1


class Shaped(Gaussian):
    """A fidelity that needs the shape of an image, as one with a filter does."""

    def value(self, prediction, y):
        assert prediction.dim() == 4
        return super().value(prediction, y) + 1000.0  # a likelihood that is not 0 at its minimum


def test_holdout_keeps_the_shape_that_a_fidelity_may_need(truth):
    problem = problem_of(truth, operator="inpaint:keep=0.5")
    own = replace(problem, fidelity=Shaped(sigma=SIGMA))
    plain, shaped = (Holdout().start(p, generator()) for p in (problem, own))
    images = [truth] * len(plain.views)
    expected = plain.criterion(problem, images)
    assert shaped.criterion(own, images) == pytest.approx(expected, abs=1e-4)
    weighted = choose_weights(own, rule="holdout")
    assert weighted.prior.terms[0].weight > 0


def test_filled_counts_known_and_missing_pixels(truth):
    problem = problem_of(truth, operator="inpaint:keep=0.7")
    trial = weight_rule_from("filled").start(problem, generator())
    assert len(trial.views) == 3
    known = SURE().start(problem, generator())
    same = [truth, truth + 0.1 * problem.y, truth]
    expected = 0.7 * known.criterion(problem, same[:2])
    # The held-out pixels are met up to their noise.
    assert trial.criterion(problem, same) == pytest.approx(expected, abs=0.15)
    off = [*same[:2], truth + SIGMA]
    assert trial.criterion(problem, off) == pytest.approx(expected + 0.3, abs=0.15)


@pytest.mark.parametrize("operator", ["denoise", "inpaint:keep=0.6"])
def test_sure_estimates_the_error_under_photon_noise(operator):
    """The variance of a photon count is the count, so bright pixels follow their noise more."""
    ramp = torch.linspace(0.02, 1, 96).expand(1, 1, 96, 96)
    y, _ = invprior.simulate(ramp, operator=operator, noise="poisson:peak=20", seed=2)
    (problem,) = build(y, operator=operator, prior="tikhonov:weight=1", noise="poisson:peak=20")
    trial = SURE().start(problem, generator())
    unit = float(problem.y.clamp_min(0).sum()) / problem.measurements / 20
    seen = problem.observation_mask.expand(ramp.shape) if operator != "denoise" else 1
    for shrink in (0.3, 0.7, 1.0):  # x = shrink y + c, whose error is known, on measured pixels
        images = [shrink * view.y + 0.1 for view in trial.views]
        error = float((seen * (images[0] - ramp)).square().sum()) / problem.measurements / unit
        assert trial.criterion(problem, images) == pytest.approx(error, abs=0.1)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({}, "sure"),
        ({"operator": "blur:sigma=1"}, "sure:damping=0.03"),
        ({"operator": "downsample:factor=4"}, "sure"),
        ({"operator": "inpaint:keep=0.5"}, "filled"),
        ({"fidelity": "huber:sigma=0.1"}, "holdout"),
        ({"fidelity": "poisson:peak=50"}, "sure"),
        ({"fidelity": "poisson:peak=50", "operator": "inpaint:keep=0.5"}, "filled"),
    ],
)
def test_auto_picks_by_operator_and_noise(truth, options, rule):
    acting, why = Auto().choose(problem_of(truth, **options))
    assert str(invprior.registry.describe(acting)).startswith(rule)
    assert why


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        ("sure", {"fidelity": "laplace:scale=0.1"}, "sure needs .* such as gaussian or poisson; got laplace"),
        ("gcv", {"fidelity": "poisson"}, "gcv needs a Gaussian fidelity"),
        ("filled", {"operator": "blur:sigma=1"}, "only leaves pixels out; got blur"),
        ("l-curve", {"prior": "pnp"}, "pnp has only a prox"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_a_remedy(truth, rule, options, message):
    with pytest.raises(IncompatibleError, match=message) as caught:
        weight_rule_from(rule).start(problem_of(truth, **options), generator())
    assert "--weight" in str(caught.value)


def test_holdout_needs_something_to_hold_out():
    problem = problem_of(torch.rand(1, 1, 2, 2))
    with pytest.raises(IncompatibleError, match="needs more measurements"):
        Holdout(fraction=1e-6).start(problem, generator())


def test_a_rule_is_a_name_a_spec_or_an_object():
    assert weight_rule_from("sure:damping=0.1") == SURE(damping=0.1)
    with pytest.raises(
        OptionError, match="weight rule must be a name, a spec or a WeightRule; got float"
    ):
        weight_rule_from(3.0)
    with pytest.raises(OptionError, match="damping"):
        weight_rule_from("sure:damping=0")
