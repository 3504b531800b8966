"""The automatic weight: its quality, what it leaves unchanged, and how it is reported."""

import json
from dataclasses import dataclass

import pytest
import torch

import invprior
from invprior import samples
from invprior.builders.problem import build, prior_from
from invprior.denoisers.nl_ridge import NLRidge
from invprior.errors import IncompatibleError, OptionError, PluginError
from invprior.operators.base import Operator
from invprior.problem.solution import Interrupted
from invprior.problem.weight_choice import WeightChoice
from invprior.provenance import prior_text
from invprior.runner.api import solve
from invprior.tuning.brent import RANGE
from invprior.tuning.search import choose_weights
from invprior.tuning.sweep import Sweep
from invprior.weights.base import Trial, WeightRule
from tests.checkpoint.test_checkpoint import Cut

SIGMA = 0.15
NOISE = f"gaussian:sigma={SIGMA}"


@dataclass(frozen=True, kw_only=True)
class Wanted(WeightRule):
    """A rule that prefers a given factor and counts the trials."""

    factor: float = 3.0
    blind: bool = False
    calls = []

    def start(self, problem, generator):
        def criterion(weighted, images):
            (term, *_) = [t for t in weighted.prior.terms if t.weight > 0]
            Wanted.calls.append(term.weight)
            if self.blind:
                return float("nan")
            default = term.functional.default_weight
            return 1 + torch.log(torch.tensor(term.weight / (default * self.factor))) ** 2

        return Trial((), criterion)


@pytest.fixture(scope="module")
def truth():
    return samples.load("camera", 32).x


@pytest.fixture(scope="module")
def measured(truth):
    return invprior.simulate(truth, operator="denoise", noise=NOISE, seed=1)[0]


def error(x, truth):
    return float((x - truth).square().mean())


@pytest.mark.parametrize("prior", ["tikhonov", "tv"])
def test_it_is_near_the_best_weight_and_better_than_the_default(truth, measured, prior):
    found = solve(measured, prior=prior, noise=NOISE)
    default = prior_from(prior).terms[0].weight
    grid = [
        error(solve(measured, prior=f"{prior}:weight={default * 2.0**k}", noise=NOISE).x, truth)
        for k in range(-3, 3)
    ]
    assert error(found.x, truth) < 1.06 * min(grid)  # 0.25 dB
    assert error(found.x, truth) < 0.95 * grid[3]


def test_the_choice_is_reported(measured):
    found = solve(measured, prior="tikhonov", noise=NOISE)
    choice = found.weights
    ((name, weight),) = choice.terms
    assert (name, choice.rule) == ("tikhonov", "sure")
    assert found.provenance["prior"].startswith(f"tikhonov:weight={weight}")
    assert found.provenance["weights"]["automatic"] is True
    assert dict(choice.curve)[weight] == min(choice.values)
    assert len(choice.tried) == len(choice.values) <= 10
    assert found.tuning_seconds == choice.seconds > 0
    subjects = [what for what, _, _ in found.choices]
    assert subjects == ["range", "solver", "step size", "stop", "weight"]
    assert ("weight", f"tikhonov {weight:.4g}", choice.why) in found.choices
    assert found.notes == ()


def test_the_record_is_json_and_can_be_read_back(measured):
    choice = solve(measured, prior="tikhonov", noise=NOISE).weights
    record = choice.record()
    assert json.loads(json.dumps(record)) == record
    assert WeightChoice.from_record(record).record() == record


def test_the_same_seed_gives_the_same_weight(measured):
    first, second = (solve(measured, prior="tv", noise=NOISE, seed=3) for _ in range(2))
    assert first.weights.record() == second.weights.record()
    assert torch.equal(first.x, second.x)


def test_a_weight_that_is_given_stays(measured):
    found = solve(measured, prior="tikhonov:weight=7", noise=NOISE, weight=Wanted())
    assert found.weights is None
    assert found.tuning_seconds == 0
    assert found.provenance["prior"].startswith("tikhonov:weight=7")
    assert "weights" not in found.provenance


def test_auto_can_be_written_and_so_can_the_rule(measured):
    for rule in ("gcv", "discrepancy", "l-curve", Wanted()):
        found = solve(measured, prior="tikhonov:weight=auto", noise=NOISE, weight=rule)
        assert found.weights.rule.startswith(
            rule if isinstance(rule, str) else "tests.tuning.test_search"
        )
    with pytest.raises(PluginError, match='Unknown weight rule "suree"'):
        solve(measured, prior="tikhonov", weight="suree")


def test_the_default_can_be_requested(measured):
    found = solve(measured, prior="tikhonov", noise=NOISE, weight="default", data_range=(0, 1))
    assert found.provenance["prior"].startswith("tikhonov:weight=60.0")
    assert found.provenance["weights"]["automatic"] is False
    assert found.notes == ()


def test_open_terms_are_scaled_together_and_given_ones_stay(measured):
    (problem,) = build(
        measured, prior="tv + wavelet:weight=2 + tikhonov", noise=NOISE, data_range=(0, 1)
    )
    found = choose_weights(problem, rule=Wanted(factor=3.0))
    tv, wavelet, tikhonov = (t.weight for t in found.prior.terms)
    assert wavelet == 2
    assert tv / 10 == pytest.approx(tikhonov / 60, rel=0.01)
    assert tv / 10 == pytest.approx(3, rel=0.15)
    assert [name for name, _ in found.weights.terms] == ["tv", "tikhonov"]


def test_without_an_open_weight_the_problem_stays(measured):
    for prior in ("none", "tv:weight=1", "dip:preset=fast"):
        (problem,) = build(measured, prior=prior, noise=NOISE)
        assert choose_weights(problem, rule=Wanted()) is problem


def test_beside_a_network_a_tenth_of_the_default_is_used_with_a_note(y, drawn, quadratic):
    found = solve(y, prior=drawn + quadratic, noise=NOISE)
    assert found.weights.terms[0][1] == 0.1
    assert found.weights.rule == ""
    (note,) = found.notes
    assert "0.1 of the default weight is used" in note
    assert "drawn sets x = f(z)" in note


def test_beside_a_network_the_default_can_be_requested(y, drawn, quadratic):
    found = solve(y, prior=drawn + quadratic, noise=NOISE, weight="default")
    assert found.weights.terms[0][1] == 1.0
    assert not found.notes


def test_for_an_operator_that_is_not_linear_the_default_is_kept_with_a_note(y, quadratic):
    class Squared(Operator):
        def forward(self, x):
            return x.square()

    found = solve(y, operator=Squared(tuple(y.shape[1:])), prior=quadratic, noise=NOISE, steps=3)
    (note,) = found.notes
    assert "default weight is kept" in note
    assert "squared is not linear" in note


def test_other_noise_takes_held_out_measurements(measured):
    found = solve(measured, prior="tikhonov", fidelity="huber:sigma=0.1", noise=None)
    assert found.weights.rule == "holdout:fraction=0.1"


def test_each_image_of_a_batch_gets_its_own_weight(measured):
    other = measured.flip(-1) * 0.2
    both = solve(torch.cat([measured, other]), prior="tikhonov", noise=NOISE)
    assert both.weights is None
    first, second = (one.weights.factor for one in both.images)
    assert first != second
    assert first == solve(measured, prior="tikhonov", noise=NOISE).weights.factor
    assert both.tuning_seconds == sum(one.tuning_seconds for one in both.images)


@pytest.mark.parametrize("factor", [1e4, 1e-4])
def test_the_end_of_the_range_adds_a_note(measured, factor):
    found = solve(measured, prior="tikhonov", noise=NOISE, weight=Wanted(factor=factor), steps=2)
    (note,) = found.notes
    assert "at the end of the search range" in note
    assert found.weights.factor == pytest.approx(RANGE if factor > 1 else 1 / RANGE, rel=0.01)


def test_where_no_value_is_finite_the_default_is_kept(measured):
    wild = Wanted(blind=True)
    found = solve(measured, prior="tikhonov", noise=NOISE, weight=wild, steps=2, data_range=(0, 1))
    assert found.weights.terms[0][1] == 60.0
    (note,) = found.notes
    assert "default weight is kept" in note
    assert "no weight gave a finite value" in note


def test_a_slow_denoiser_is_weighed_by_a_faster_one(measured, monkeypatch):
    y = measured[..., :16, :16]
    (problem,) = build(y, prior="pnp:denoiser=nl-ridge", noise=NOISE)

    def refuse(*_):
        raise AssertionError("the search calls the slow denoiser")

    monkeypatch.setattr(NLRidge, "denoise", refuse)
    (found,) = choose_weights(problem).prior.terms
    assert found.weight is not None
    assert isinstance(found.functional.denoiser, NLRidge)


def test_a_large_image_is_judged_by_its_middle(measured):
    (problem,) = build(measured, prior="tikhonov", operator="inpaint:keep=0.8", noise=NOISE)
    found = choose_weights(problem, rule="sure", side=20)
    assert "middle of the image, 20 x 20" in found.weights.why
    whole = choose_weights(problem, rule="sure")
    assert "middle" not in whole.weights.why
    assert found.weights.values != whole.weights.values
    (circular,) = build(measured, prior="tikhonov", operator="blur:boundary=circular", noise=NOISE)
    assert "middle" not in choose_weights(circular, rule="sure", side=20).weights.why


def test_a_resumed_run_keeps_its_weight(measured, tmp_path):
    run = {
        "prior": "tv",
        "noise": NOISE,
        "solver": "pdhg",
        "weight": Wanted(factor=2.0),
        "steps": 8,
    }
    whole = solve(measured, **run)
    keep = {"checkpoint": tmp_path / "c", "checkpoint_every": 0}
    with pytest.raises(Interrupted):
        solve(measured, **run, **keep, callbacks=[Cut(3)])
    Wanted.calls.clear()
    found = solve(measured, **run, **keep)
    assert Wanted.calls == []  # nothing was searched again
    assert torch.equal(found.x, whole.x)
    assert found.weights.record() == whole.weights.record()


def test_a_search_that_is_cut_off_goes_on(measured, tmp_path, monkeypatch):
    """Each trial is made once, and starts from the last one as if nothing had been."""
    blur = "blur:sigma=0.5"  # a solver runs, as it does not for denoising
    run = {"prior": "tikhonov", "operator": blur, "noise": NOISE, "steps": 5, "weight": "sure"}
    whole = solve(measured, **run)
    keep = {"checkpoint": tmp_path / "c", "checkpoint_every": 0}
    plain, trials = Sweep._tried, []

    def tried(self, factor):
        if len(trials) in (2, 4) and trials[-1] is not None:
            trials.append(None)  # once
            raise KeyboardInterrupt
        trials.append(factor)
        return plain(self, factor)

    monkeypatch.setattr(Sweep, "_tried", tried)
    for _ in range(2):
        with pytest.raises(Interrupted):
            solve(measured, **run, **keep)
    assert (tmp_path / "c").exists()
    with pytest.raises(OptionError, match="belongs to another run: its weight rule is"):
        solve(measured, **{**run, "weight": "gcv"}, **keep)
    found = solve(measured, **run, **keep)
    made = [factor for factor in trials if factor is not None]
    assert len(set(made)) == len(made) == len(whole.weights.tried)
    assert torch.equal(found.x, whole.x)
    assert found.weights.record() == whole.weights.record()
    assert not (tmp_path / "c").exists()


def test_another_rule_does_not_resume_with_the_weight_of_the_first(measured, tmp_path):
    run = {"prior": "tv", "noise": NOISE, "solver": "pdhg", "steps": 8}
    keep = {"checkpoint": tmp_path / "c", "checkpoint_every": 0}
    with pytest.raises(Interrupted):
        solve(measured, **run, **keep, weight=Wanted(factor=9.0), callbacks=[Cut(3)])
    with pytest.raises(OptionError, match="belongs to another run: its prior is tv"):
        solve(measured, **run, **keep, weight="default")


def test_the_refusals_of_the_rules_come_before_any_step(measured):
    with pytest.raises(IncompatibleError, match="needs an operator that only leaves pixels out"):
        solve(measured, prior="tikhonov", weight="filled")


def test_iterate_leaves_the_default(measured):
    (problem,) = build(measured, prior="tikhonov", noise=NOISE, data_range=(0, 1))
    now = next(invprior.iterate(problem))
    assert prior_text(now.objective.problem.prior).startswith("tikhonov:weight=60.0")


@pytest.mark.parametrize(
    ("prior", "operator", "noise", "least"),
    [
        ("wavelet", "denoise", "poisson:peak=20", 21.38),  # 11.09 for a constant image
        ("tv", "inpaint:keep=0.5", "gaussian:sigma=0.6", 15.39),
    ],
)
def test_strong_noise_does_not_flatten_the_image(prior, operator, noise, least):
    """After one flat trial, each further one stopped at its first small step, so that a constant image won."""
    image = samples.load("camera", 48).x
    y, _ = invprior.simulate(image, operator=operator, noise=noise, seed=0)
    found = solve(y, prior=prior, operator=operator, noise=noise)
    assert -10 * float((found.x - image).square().mean().log10()) > least - 0.2


def test_a_weight_from_a_trial_that_was_not_solved_says_so(measured, monkeypatch):
    """The criterion then judges the solver's progress as well: it cost 4 dB with pdhg on a sinogram."""
    monkeypatch.setattr("invprior.tuning.sweep.TRIAL_STEPS", 2)
    blur = "blur:sigma=0.5"
    found = solve(measured, prior="tv", operator=blur, noise=NOISE, solver="pdhg", steps=2)
    assert "rests on a trial that pdhg did not solve" in found.notes[0]
    exact = solve(
        measured, prior="tikhonov", noise=NOISE, solver="pdhg"
    )  # sure has a closed form here
    assert not exact.weights.note


@pytest.mark.parametrize("solver", ["lbfgs", "fista", "admm"])
def test_every_solver_finds_the_same_weight(measured, solver):
    """lbfgs averages images that it takes together; fista rested at once from a start that all views shared."""
    blur = "blur:sigma=0.5"
    (problem,) = build(measured, operator=blur, prior="tikhonov", noise=NOISE, data_range=(0, 1))
    assert choose_weights(problem, solver=solver).weights.factor == pytest.approx(0.384, rel=0.1)


@pytest.mark.parametrize("operator", ["blur:sigma=0.5", "inpaint:keep=0.8"])
@pytest.mark.parametrize("solver", ["admm", "pdhg", "fista"])
def test_the_run_goes_on_from_the_best_trial(truth, solver, operator):
    measured, made = invprior.simulate(truth, operator=operator, noise=NOISE, seed=1)
    run = {"operator": made, "noise": NOISE, "data_range": (0, 1), "solver": solver}
    (problem,) = build(measured, operator=made, prior="tv", noise=NOISE, data_range=(0, 1))
    assert choose_weights(problem, solver=solver).weights.handover is not None
    found = solve(measured, prior="tv", **run)
    ((_, weight),) = found.weights.terms
    alone = solve(measured, prior=f"tv:weight={weight}", **run)
    assert found.stop.name == alone.stop.name == "relative-change"
    assert found.steps < alone.steps
    assert error(found.x, alone.x) < 1e-6


def test_a_given_initial_estimate_stays_the_start(measured):
    run = {"operator": "blur:sigma=0.5", "noise": NOISE, "solver": "fista", "steps": 1}
    mean = measured.mean().expand(measured.shape)
    found = solve(measured, prior="tv", x0=mean, **run)
    ((_, weight),) = found.weights.terms
    assert torch.equal(found.x, solve(measured, prior=f"tv:weight={weight}", x0=mean, **run).x)
    assert not torch.equal(found.x, solve(measured, prior="tv", **run).x)


def test_trials_start_afresh_where_the_result_depends_on_the_start():
    """With red, a trial that started from another one ended elsewhere, and the weight was 2 dB off."""
    image = samples.load("camera", 256).x[..., 96:160, 96:160]
    strong = {"operator": "denoise", "noise": f"gaussian:sigma={50 / 255}"}
    y, _ = invprior.simulate(image, **strong, seed=0)
    (problem,) = build(y, prior="red", data_range=(0, 1), **strong)
    assert choose_weights(problem).weights.handover is None
    found = solve(y, prior="red", data_range=(0, 1), **strong)
    assert error(found.x, image) < 10**-2.1  # 21.3 dB; 19.1 before
