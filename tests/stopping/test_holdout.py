"""The hold-out rule: the held-out sets, the error estimate, the stop and the refit."""

import re
from types import SimpleNamespace

import pytest
import torch

from invprior.builders.problem import build
from invprior.errors import IncompatibleError, MeasurementError
from invprior.problem.solution import Interrupted
from invprior.runner.api import iterate, solve
from invprior.stopping.holdout import Holdout, unseen_error
from invprior.stopping.lowest import Lowest


@pytest.fixture
def y():
    """A ramp with noise, large enough to hold some of it out."""
    ramp = torch.linspace(0, 1, 48).expand(1, 1, 48, 48)
    return ramp + 0.1 * torch.randn(ramp.shape, generator=torch.Generator().manual_seed(0))


SMALL = "dip:net=skip(down=[4,8],skip=2),channels=4,input_noise=0"


def prepared(y, rule=None, seed=0, **options):
    known = {"noise": "gaussian:sigma=0.1", "data_range": (0, 1)}
    (problem,) = build(y, **{"prior": SMALL, **known, **options})
    return (rule or Holdout()).prepare(problem, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("fraction", [0.02, 0.05, 0.3])
def test_each_network_holds_out_pixels_of_its_own(fraction):
    y = torch.rand((1, 3, 50, 47), generator=torch.Generator().manual_seed(0))
    held = prepared(y, Holdout(fraction=fraction)).held_out
    assert held.shape == (2, 3, 50, 47)
    assert torch.equal(held[:, 0], held[:, 1])  # whole pixels
    assert not (held[0] & held[1]).any()
    assert float(held.float().mean()) == pytest.approx(fraction, rel=0.15)
    assert not torch.equal(held, prepared(y, Holdout(fraction=fraction), seed=1).held_out)


def test_missing_pixels_are_not_held_out(y):
    problem = prepared(y, operator="inpaint:keep=0.5")
    assert not (problem.held_out & ~problem.observation_mask).any()
    with pytest.raises(MeasurementError, match="at least 32 measurements"):
        prepared(y[..., :8, :8])


def test_held_out_measurements_do_not_affect_the_fit(y):
    problem = prepared(y)
    first = next(iter(iterate(problem, "adam"))).members
    other = prepared(y, seed=0)
    object.__setattr__(other, "y", torch.where(other.held_out[0], other.y + 3.0, other.y))
    second = next(iter(iterate(other, "adam"))).members
    after = [list(run) for run in (_few(problem), _few(other))]
    assert torch.equal(first, second)
    assert torch.equal(after[0][-1][0], after[1][-1][0])  # the first network holds these out
    assert not torch.equal(after[0][-1][1], after[1][-1][1])


def _few(problem):
    for now in iterate(problem, "adam"):
        yield now.members
        if now.step == 3:
            return


def test_the_error_of_the_mean_follows_from_the_members():
    """For members with independent errors, the estimate equals the error of their mean at unseen pixels."""
    g = torch.Generator().manual_seed(0)
    truth = torch.rand((1, 3, 256, 256), generator=g)
    y = truth + 0.1 * torch.randn(truth.shape, generator=g)
    problem = prepared(y, Holdout(fraction=0.25))
    members = truth + 0.2 * torch.randn((2, 3, 256, 256), generator=g)
    now = SimpleNamespace(members=members, objective=SimpleNamespace(problem=problem))
    expected = (0.2**2 / 2 + 0.1**2) / (2 * 0.1**2)
    assert float(unseen_error(now, problem.held_out)) == pytest.approx(expected, rel=0.03)


def test_noise_that_a_network_passes_on_does_not_look_like_a_good_prediction():
    g = torch.Generator().manual_seed(0)
    truth = 0.3 + 0.4 * torch.rand((1, 1, 256, 256), generator=g)
    y = truth + 0.1 * torch.randn(truth.shape, generator=g)
    problem = prepared(y, Holdout(fraction=0.4), prior="dip").conditioned()
    kept = problem.reparameterization.kept_offset
    assert kept.shape == problem.held_out.shape
    assert torch.equal(kept != 0, problem.held_out)
    seen = (0.1**2 / 0.07**2) ** -1 * kept  # of standard deviation 0.07, in the input
    images = truth + 0.5 * (y - truth + seen)
    now = SimpleNamespace(members=images, objective=SimpleNamespace(problem=problem))
    # The error of one network is (0.1^2 + 0.07^2) / 4, and where the other holds nothing out they are alike.
    expected = ((0.1**2 + 0.07**2) / 4 + 0.1**2) / (2 * 0.1**2)
    assert float(unseen_error(now, problem.held_out)) == pytest.approx(expected, rel=0.03)


def test_disagreement_counts_where_the_operator_hides_detail(y):
    problem = prepared(y, operator="blur:sigma=3")
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    hidden = 0.1 * (1.0 - 2.0 * ((rows + columns) % 2))
    assert float(problem.operator(hidden[None, None]).abs().max()) < 2e-3

    def error(members):
        now = SimpleNamespace(members=members, objective=SimpleNamespace(problem=problem))
        return float(unseen_error(now, problem.held_out))

    alike, apart = torch.cat([y, y]), torch.cat([y + hidden, y - hidden])
    assert error(apart) - error(alike) == pytest.approx(0.1**2 / (2 * 0.1**2), rel=0.02)
    plain = prepared(y)
    now = SimpleNamespace(members=apart, objective=SimpleNamespace(problem=plain))
    assert float(unseen_error(now, plain.held_out)) < error(apart)  # this operator hides nothing


def test_the_image_of_the_lowest_value_is_kept():
    lowest = Lowest(0.5, 4)
    values = [5.0, 3.0, float("nan"), 2.0, 4.0, 4.0, 4.0, 1.0]
    over = [
        lowest(SimpleNamespace(step=s, x=torch.tensor(float(s))), torch.tensor(v))
        for s, v in enumerate(values, 1)
    ]
    assert over == [False] * 8
    assert (lowest.best, float(lowest.x), float(lowest.value)) == (8, 8.0, 1.0)
    later = SimpleNamespace(step=12, x=torch.tensor(12.0))
    assert lowest(later, torch.tensor(2.0))
    assert float(lowest.x) == 8.0


@pytest.fixture
def noise():
    """Pure noise, of which a network should learn nothing: the best step is an early one."""
    return 0.5 + 0.1 * torch.randn((1, 1, 32, 32), generator=torch.Generator().manual_seed(1))


TINY = "dip:net=skip(down=[2],skip=0),channels=1,lr=0.1,average=0,members=1,input_noise=0"
RULE = "holdout:refit=1 | max-steps:steps=1500"


def test_steps_limit_the_default_rule_and_do_not_switch_it_off():
    y = 0.5 + 0.1 * torch.randn((1, 1, 45, 45), generator=torch.Generator().manual_seed(1))
    run = {"prior": TINY, "noise": "gaussian:sigma=0.1", "record_every": 0}
    own, above = solve(y, **run), solve(y, steps=1500, **run)
    assert own.stop.name == above.stop.name == "holdout"
    assert own.steps < 1500
    assert torch.equal(own.x, above.x)
    # 3 ends before the first check, 20 at one with no step left for a refit, 23 with a refit.
    for steps, name in ((3, "max-steps"), (20, "holdout"), (23, "holdout")):
        found = solve(y, steps=steps, **run)
        assert found.steps <= steps
        assert found.stop.name == name
    assert "refitted" in found.stop.message


def test_it_returns_to_the_best_step_and_refits_all_data(noise):
    seen = []
    run = {"prior": TINY, "noise": "gaussian:sigma=0.1", "callbacks": [seen.append]}
    found = solve(noise, stop=RULE, **run)
    best = int(re.search(r"at step (\d+)", found.stop.message)[1])
    refit = [i for i in seen if i.objective.data.held_out is None]
    assert [i.step for i in refit] == list(range(found.steps - best + 1, found.steps + 1))
    assert (found.stop.name, found.stop.ok) == ("holdout", True)
    assert torch.equal(found.x, refit[-1].x)
    assert torch.equal(refit[0].latest, seen[best].latest)  # the same weights' output
    assert not torch.equal(refit[1].latest, seen[best + 1].latest)  # but fitted to all data


def test_a_long_refit_continues_from_where_the_minimum_was_confirmed(noise):
    seen = []
    run = {"prior": TINY, "noise": "gaussian:sigma=0.1", "callbacks": [seen.append]}
    found = solve(noise, stop="holdout:refit=30", **run)
    best = int(re.search(r"at step (\d+)", found.stop.message)[1])
    assert found.steps == 31 * best
    refit = [i for i in seen if i.objective.data.held_out is None]
    confirmed = best + 75
    assert [i.step for i in refit] == list(range(confirmed + 1, found.steps + 1))
    # Every step is a new one: nothing goes back.
    assert (refit[0].x - seen[confirmed - 1].x).abs().max() < 0.1
    assert torch.equal(found.x, refit[-1].x)


def test_without_a_refit_it_returns_the_best(noise):
    seen = []
    run = {"prior": TINY, "noise": "gaussian:sigma=0.1", "callbacks": [seen.append]}
    found = solve(noise, stop="holdout:refit=0", **run)
    best = int(re.search(r"at step (\d+)", found.stop.message)[1])
    assert torch.equal(found.x, seen[best - 1].x)
    assert all(i.objective.data.held_out is not None for i in seen)


def test_the_refit_begins_in_time_for_the_limit(y):
    seen = []
    run = {"prior": SMALL, "noise": "gaussian:sigma=0.1", "callbacks": [seen.append]}
    found = solve(y, stop="holdout:refit=0.5,limit=60 | max-steps:steps=60", **run)
    refit = [i.step for i in seen if i.objective.data.held_out is None]
    assert refit[0] == 41  # after 40 steps, half of 40 fits into 60
    assert found.stop.ok
    assert found.steps <= 60


def test_a_budget_may_end_the_refit(noise):
    run = {"prior": TINY, "noise": "gaussian:sigma=0.1"}
    whole = solve(noise, stop=RULE, **run)
    seen = []
    short = f"holdout:refit=1 | max-steps:steps={whole.steps - 2}"
    found = solve(noise, stop=short, callbacks=[seen.append], **run)
    assert (found.stop.name, found.stop.ok, found.steps) == ("max-steps", True, whole.steps - 2)
    assert torch.equal(found.x, seen[-1].x)


@pytest.mark.parametrize("left", [2, 60])
def test_an_interrupted_run_resumes_with_the_same_bits(noise, tmp_path, left):
    run = {"prior": TINY, "noise": "gaussian:sigma=0.1", "stop": RULE}
    whole = solve(noise, **run)

    def cut(now):
        if now.step == max(whole.steps - left, 3):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        solve(noise, callbacks=[cut], checkpoint=tmp_path / "c", **run)
    rest = solve(noise, checkpoint=tmp_path / "c", **run)
    assert torch.equal(rest.x, whole.x)
    assert (rest.steps, rest.stop) == (whole.steps, whole.stop)


def test_solvers_without_a_descent_refuse(y):
    with pytest.raises(IncompatibleError, match="holds some out"):
        solve(y, prior="tv:weight=1", stop="holdout", solver="admm")
