"""`solve` and `iterate` with parts of the user's own, and what they promise."""

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from invprior import registry
from invprior.builders.problem import build
from invprior.errors import IncompatibleError, MeasurementError, OptionError, PluginError
from invprior.problem.functionals import Penalty
from invprior.problem.solution import DivergedError, Interrupted, Iterate
from invprior.runner.api import iterate, solve
from invprior.runner.divergence import DivergenceMonitor
from invprior.solvers.adam import Adam
from invprior.solvers.fista import FISTA
from invprior.stopping.max_steps import MaxSteps

SIGMA = 0.5
KNOWN = {"noise": f"gaussian:sigma={SIGMA}"}


def test_own_classes_need_no_registration(y, doubled, quadratic):
    """The minimiser of (2x - y)^2 / (2 sigma^2) + w x^2 / 2 is known."""
    for solver in ("fista", "lbfgs", "auto"):
        found = solve(y, operator=doubled, prior=3 * quadratic, solver=solver, **KNOWN)
        torch.testing.assert_close(found.x, 2 * y / (4 + 3 * SIGMA**2), rtol=0, atol=2e-3)
        assert found.stop.ok
        assert found.provenance["operator"].endswith(":Doubled")


def test_an_own_prior_with_a_prox_alone(y, sparse):
    found = solve(y, prior=2.0 * sparse, solver="fista", **KNOWN)
    torch.testing.assert_close(found.x, (y - 2 * SIGMA**2).clamp_min(0), rtol=0, atol=1e-4)


def test_an_own_reparameterisation_runs_its_own_number_of_steps(y, drawn, quadratic):
    found = solve(y, prior=drawn + 0.1 * quadratic, **KNOWN)
    assert (found.steps, found.stop.name, found.stop.ok) == (20, "max-steps", True)
    assert found.provenance["solver"].startswith("adam:")
    assert found.provenance["solver_chosen_because"]


@pytest.mark.parametrize("solver", ["adam", "fista", "lbfgs"])
def test_a_batch_equals_single_runs_bit_for_bit(y, quadratic, solver):
    images = torch.cat([y, y.flip(2), 0.1 * y])
    together = solve(images, prior=1 * quadratic, solver=solver, stop="max-steps:steps=7", **KNOWN)
    apart = [
        solve(p[None], prior=1 * quadratic, solver=solver, stop="max-steps:steps=7", **KNOWN)
        for p in images
    ]
    assert torch.equal(together.x, torch.cat([a.x for a in apart]))
    assert together.steps == 21
    assert len(together.images) == 3
    assert apart[0].images == ()


def test_a_batch_of_networks_begins_each_afresh(y, drawn):
    together = solve(torch.cat([y, y]), prior=drawn, **KNOWN)
    assert torch.equal(together.x[0], together.x[1])
    assert torch.equal(together.x[:1], solve(y, prior=drawn, **KNOWN).x)


def test_a_seed_fixes_the_bits_and_the_global_generator_is_left_alone(y, drawn):
    torch.manual_seed(5)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one = solve(y, prior=drawn, seed=1, **KNOWN)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    torch.manual_seed(6)
    assert torch.equal(solve(y, prior=drawn, seed=1, **KNOWN).x, one.x)
    assert not torch.equal(solve(y, prior=drawn, seed=2, **KNOWN).x, one.x)


def test_the_measurement_and_the_solver_are_not_changed(y, quadratic):
    before, solver = y.clone(), Adam(lr=0.1)
    first = solve(y, prior=1 * quadratic, solver=solver, stop="max-steps:steps=3", **KNOWN)
    assert torch.equal(y, before)
    assert solver == Adam(lr=0.1)
    assert torch.equal(
        solve(y, prior=1 * quadratic, solver=solver, stop="max-steps:steps=3", **KNOWN).x, first.x
    )
    with pytest.raises(AttributeError):
        solver.lr = 0.2
    with pytest.raises(AttributeError):
        MaxSteps().steps = 3


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "fista"])
def test_gradients_of_the_callers_do_not_matter(y, quadratic, solver):
    run = {"prior": 1 * quadratic, "solver": solver, "stop": "max-steps:steps=3", **KNOWN}
    expected = solve(y, **run).x
    tracked = y.clone().requires_grad_() * 1.0
    found = solve(tracked, x0=y.clone().requires_grad_(), **run).x
    assert not found.requires_grad
    with torch.no_grad():
        assert torch.equal(solve(y, **run).x, expected)
        assert not torch.is_grad_enabled()
    assert torch.equal(solve(tracked, **run).x, expected)


def test_both_precisions(y, quadratic):
    for dtype in (torch.float32, torch.float64):
        found = solve(y, prior=1 * quadratic, solver="fista", dtype=dtype, **KNOWN)
        assert found.x.dtype == dtype
        assert found.provenance["dtype"] == str(dtype).removeprefix("torch.")


def test_arrays_come_in_and_go_out(quadratic):
    found = solve(
        np.full((5, 4, 3), 128, np.uint8), prior=1 * quadratic, stop="max-steps:steps=2", **KNOWN
    )
    assert found.to_numpy().shape == (5, 4, 3)
    assert solve(
        np.zeros((5, 4)), prior=1 * quadratic, stop="max-steps:steps=1", **KNOWN
    ).to_numpy().shape == (5, 4)
    for dtype, scale in ((torch.float32, 4095.0), (torch.float64, -1e5)):
        found = replace(found, x=scale * torch.rand((2, 1, 5, 4), dtype=dtype))
        array = found.to_numpy()
        assert array.dtype == str(dtype).removeprefix("torch.")
        assert np.array_equal(array, found.x[:, 0].numpy())
        array += 1
        assert not np.array_equal(array, found.x[:, 0].numpy())  # a copy


def test_history_has_the_first_and_every_nth_step(y, quadratic):
    found = solve(y, prior=1 * quadratic, solver="fista", stop="max-steps:steps=25", **KNOWN)
    assert [row["step"] for row in found.history] == [1, 10, 20]
    assert set(found.history[0]) == {"step", "seconds", "energy"}
    energies = [row["energy"] for row in found.history]
    assert energies == sorted(energies, reverse=True)
    assert all(isinstance(e, float) and math.isfinite(e) for e in energies)
    few = solve(
        y, prior=1 * quadratic, solver="fista", stop="max-steps:steps=4", record_every=2, **KNOWN
    )
    assert [row["step"] for row in few.history] == [1, 2, 4]
    assert (
        solve(
            y,
            prior=1 * quadratic,
            solver="fista",
            stop="max-steps:steps=4",
            record_every=0,
            **KNOWN,
        ).history
        == ()
    )


def test_callbacks_see_every_iterate(y, quadratic):
    seen = []
    found = solve(
        y,
        prior=1 * quadratic,
        solver="fista",
        stop="max-steps:steps=4",
        callbacks=[seen.append],
        **KNOWN,
    )
    assert [type(i) for i in seen] == [Iterate] * 4
    assert [i.step for i in seen] == [1, 2, 3, 4]
    assert seen[-1].x is found.x or torch.equal(seen[-1].x, found.x)
    assert not torch.equal(seen[0].x, seen[1].x)  # no step writes into an older iterate
    x = seen[1].x
    expected = torch.linalg.vector_norm(x - seen[0].x) / torch.linalg.vector_norm(x - x.mean())
    assert float(seen[1].change) == pytest.approx(float(expected))
    fit = (seen[0].x - y).square().sum() / (2 * SIGMA**2)
    assert float(seen[0].energy) == pytest.approx(
        float(fit + 0.5 * seen[0].x.square().sum()), rel=1e-5
    )


def test_rules_end_the_run(y, quadratic):
    run = {"prior": 1 * quadratic, "solver": "fista", **KNOWN}
    found = solve(y, stop="relative-change:tolerance=1e-5 | max-steps:steps=400", **run)
    assert (found.stop.name, found.stop.ok) == ("relative-change", True)
    assert found.steps < 400
    assert solve(y, stop="max-steps:steps=3", **run).steps == 3
    assert solve(y, stop=MaxSteps(steps=3), **run).stop.ok


def test_a_budget_that_ends_a_run_before_quality_is_not_ok(y, quadratic):
    found = solve(
        y,
        prior=1 * quadratic,
        solver="fista",
        stop="relative-change:tolerance=1e-30",
        steps=3,
        **KNOWN,
    )
    assert (found.stop.name, found.stop.ok, found.steps) == ("max-steps", False, 3)
    assert "before relative-change was met" in found.stop.message


def test_a_batch_says_which_image_did_not_end_well(y, quadratic):
    flat = torch.zeros_like(y)
    found = solve(
        torch.cat([y, flat]),
        prior=1 * quadratic,
        solver="fista",
        stop="relative-change:tolerance=1e-9",
        steps=3,
        **KNOWN,
    )
    assert [p.stop.ok for p in found.images] == [False, True]
    assert not found.stop.ok


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, "3"])
def test_steps_must_be_a_whole_number(y, steps):
    with pytest.raises(OptionError, match='"steps" must be an integer >= 1; got'):
        solve(y, prior="tikhonov", steps=steps)


@pytest.mark.parametrize(
    ("option", "what"),
    [
        ({"seed": "a"}, '"seed" must be an integer of 64 bits; got'),
        ({"seed": 2**64}, '"seed" must be an integer of 64 bits; got'),
        ({"dtype": torch.int32}, r'"dtype" must be torch.float32 .* got torch.int32'),
        ({"device": "gpu"}, '"device" must be a device of this machine; got "gpu"'),
    ],
)
def test_the_other_options_are_checked(y, option, what):
    with pytest.raises(OptionError, match=what):
        solve(y, prior="tikhonov", **option)


def test_x0_is_where_the_run_begins(y, quadratic):
    run = {"prior": 1 * quadratic, "solver": "adam:lr=1e-6", "steps": 1, **KNOWN}
    start = torch.full((1, 2, 6, 5), 0.25)
    near = {"rtol": 0, "atol": 1e-5}  # one step of adam goes as far as its step size
    torch.testing.assert_close(solve(y, x0=start, **run).x, start, **near)
    both = solve(torch.cat([y, y]), x0=torch.cat([start, 2 * start]), **run)
    torch.testing.assert_close(both.x, torch.cat([start, 2 * start]), **near)
    one = solve(torch.cat([y, y]), x0=start[0], **run)
    torch.testing.assert_close(one.x, torch.cat([start, start]), **near)
    with pytest.raises(MeasurementError, match="x0 must hold one image, or 2"):
        solve(torch.cat([y, y]), x0=torch.cat([start] * 3), **run)
    with pytest.raises(MeasurementError, match=r"shape \(1, 2, 6, 5\); got \(1, 2, 6, 4\)"):
        solve(y, x0=start[..., :4], **run)


def test_nan_in_the_measurement_is_refused_or_left_out(y, quadratic):
    broken = y.clone()
    broken[0, 1, 2, 3] = float("nan")
    run = {"prior": 1 * quadratic, "solver": "fista", **KNOWN}
    with pytest.raises(MeasurementError, match="1 of its 60 values"):
        solve(broken, **run)
    found = solve(broken, nan="mask", **run)
    assert bool(torch.isfinite(found.x).all())
    assert float(found.x[0, 1, 2, 3]) == pytest.approx(0, abs=2e-3)  # only the prior speaks there
    torch.testing.assert_close(found.x[0, 0], solve(y, **run).x[0, 0], rtol=0, atol=2e-3)
    assert found.provenance["measurements"] == 59
    assert found.provenance["operator"] == "denoise"


@pytest.mark.parametrize(
    ("solver", "step"), [("fista:step_size=1e4,force=true", "1e+04"), ("adam:lr=1e6", "1e+06")]
)
def test_an_explosion_stops_the_run_and_keeps_the_best(y, quadratic, solver, step):
    seen = []
    with pytest.raises(DivergedError) as caught:
        solve(
            y,
            prior=1 * quadratic,
            solver=solver,
            stop="max-steps:steps=100",
            callbacks=[seen.append],
            **KNOWN,
        )
    message = str(caught.value)
    assert f"at iteration {len(seen) + 1} with step size {step}" in message
    assert "the term that grew is fidelity" in message
    assert "smaller step size" in message
    kept = caught.value.solution
    assert bool(torch.isfinite(kept.x).all())
    assert float(kept.x.abs().max()) < 1e3
    assert (kept.stop.name, kept.stop.ok, kept.steps) == ("diverged", False, len(seen) + 1)
    assert kept.provenance["prior"].endswith(":Quadratic:weight=1.0")


def test_the_term_that_turns_to_nan_is_named(y):
    class Logarithm(Penalty):
        def value(self, x):
            return (x - 10).log().flatten(1).sum(1)

    with pytest.raises(
        DivergedError, match=r"energy became NaN at iteration 1.*that grew is logarithm"
    ):
        solve(y, prior=Logarithm(), solver="adam", stop="max-steps:steps=5", **KNOWN)


def test_a_diverged_or_interrupted_batch_keeps_the_images_before(y, quadratic):
    def interrupt(iterate):
        interrupt.calls += 1
        if interrupt.calls == 5:
            raise KeyboardInterrupt

    interrupt.calls = 0
    with pytest.raises(Interrupted) as caught:
        solve(
            torch.cat([y, y, y]),
            prior=1 * quadratic,
            solver="fista",
            stop="max-steps:steps=3",
            callbacks=[interrupt],
            **KNOWN,
        )
    kept = caught.value.solution
    assert [p.steps for p in kept.images] == [3, 2]
    assert [p.stop.name for p in kept.images] == ["max-steps", "interrupted"]
    assert kept.stop.name == "interrupted"


def test_an_interrupt_hands_over_the_estimate_so_far(y, quadratic):
    seen = []

    def interrupt(iterate):
        seen.append(iterate.x)
        if iterate.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        solve(
            y,
            prior=1 * quadratic,
            solver="fista",
            stop="max-steps:steps=100",
            callbacks=[interrupt],
            **KNOWN,
        )
    assert isinstance(caught.value, Interrupted)
    kept = caught.value.solution
    assert torch.equal(kept.x, seen[-1])
    assert (kept.steps, kept.stop.name, kept.stop.ok) == (4, "interrupted", False)
    assert kept.history
    assert kept.provenance["seed"] == 0


def test_an_interrupt_before_the_first_step_has_no_estimate(y, quadratic, monkeypatch):
    def init(self, *arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(FISTA, "init", init)
    with pytest.raises(Interrupted) as caught:
        solve(y, prior=1 * quadratic, solver="fista", **KNOWN)
    assert caught.value.solution is None


def test_what_does_not_fit_is_refused_before_any_step_with_the_remedy(y, drawn, sparse, quadratic):
    def never(iterate):
        raise AssertionError

    def refusal(**parts):
        with pytest.raises(IncompatibleError) as caught:
            solve(y, callbacks=[never], **parts, **KNOWN)
        return str(caught.value)

    message = refusal(prior=drawn, solver="fista")
    assert "fista updates pixels, and drawn sets x = f(z)" in message
    assert "Use adam" in message
    assert "admm" in message
    message = refusal(prior=sparse + 0.1 * sparse, solver="fista")
    assert "fista takes one term through its prox, and sparse and sparse need theirs" in message
    assert "Use adam" not in message
    assert "pdhg" in message
    message = refusal(prior=sparse, solver="adam")
    assert "adam needs a value to differentiate, and sparse has only a prox" in message
    assert "fista" in message
    message = refusal(prior=1 * quadratic, solver="fista:step_size=10")
    assert "step_size of fista must be at most" in message
    assert "got 10" in message
    assert "force=true" in message
    with pytest.raises(IncompatibleError):
        iterate(build(y, prior=drawn, **KNOWN)[0], "fista")


def test_all_faults_of_all_arguments_are_told_at_once(y):
    with pytest.raises(OptionError) as caught:
        solve(
            y,
            prior="tvv",
            solver="adamm",
            stop="max-steps:steps=0 | max-stepz",
            operator="denoise:x=1",
        )
    message = str(caught.value)
    for part in ('"tvv"', '"adamm"', '"steps" of max-steps must be', 'denoise has no option "x"'):
        assert part in message
    with pytest.raises(PluginError, match="adamm"):
        solve(y, prior="tikhonov", solver="adamm")


def test_iterate_is_an_open_loop(y, quadratic):
    (problem,) = build(y, prior=1 * quadratic, **KNOWN)
    steps = []
    for now in iterate(problem, "fista"):
        steps.append(now.step)
        if now.step == 6:
            break
    assert steps == [1, 2, 3, 4, 5, 6]
    assert torch.equal(
        now.x, solve(y, prior=1 * quadratic, solver="fista", stop="max-steps:steps=6", **KNOWN).x
    )
    start = torch.full((1, 2, 6, 5), 0.5)
    begun = next(iter(iterate(problem, Adam(lr=1e-6), x0=start)))
    torch.testing.assert_close(begun.x, start, rtol=0, atol=1e-5)


def test_weight_zero_leaves_a_term_out(y, sparse):
    found = solve(y, prior=0 * sparse, solver="lbfgs", **KNOWN)
    torch.testing.assert_close(found.x, y, rtol=0, atol=1e-4)


def test_a_solution_is_plain_data(y, quadratic):
    found = solve(y, prior=1 * quadratic, solver="fista", stop="max-steps:steps=2", **KNOWN)
    assert not found.x.requires_grad
    again = copy.deepcopy(found)
    assert torch.equal(again.x, found.x)


@pytest.mark.parametrize("solver", [e.name for e in registry.entries("solvers")])
def test_solvers_are_frozen_and_equal_by_value(solver):
    one, two = registry.create("solvers", solver), registry.create("solvers", solver)
    assert one == two
    assert hash(one) == hash(two)


def test_the_returned_image_is_looked_at_also_where_looking_is_rare(y, monkeypatch):
    """On a GPU the guard looks every 20 steps; a run that stops in between must not return NaN."""

    class Late(Penalty):
        calls = 0

        def value(self, x):
            Late.calls += 1
            poison = float("nan") if Late.calls == 3 else 1.0
            return poison * x.square().flatten(1).sum(1)

    begin = DivergenceMonitor.__init__

    def rarely(guard, *arguments):
        begin(guard, *arguments)
        guard.every = 20

    monkeypatch.setattr(DivergenceMonitor, "__init__", rarely)
    with pytest.raises(DivergedError, match="non-finite at iteration 3") as caught:
        solve(y, prior=1 * Late(), solver="adam:average=0", steps=3, record_every=0, **KNOWN)
    assert caught.value.solution.x.isfinite().all()


@dataclass(frozen=True, kw_only=True)
class Talking(FISTA):
    """Says something at its second step, which its next state forgets."""

    def step(self, objective, state):
        new = super().step(objective, state)
        second = 1.0 < float(state.t) < 2.0
        return replace(new, notes=("half way",) if second else ())


def test_notes_are_kept_and_logged_once(y, quadratic, caplog):
    seen = []
    found = solve(
        y,
        prior=1 * quadratic,
        solver=Talking(),
        stop="max-steps:steps=4",
        callbacks=[seen.append],
        **KNOWN,
    )
    assert [i.notes for i in seen] == [(), *[("half way",)] * 3]
    assert found.notes == ("half way",)
    said = [(r.name, r.levelname, r.getMessage()) for r in caplog.records]
    assert said == [("invprior", "WARNING", "half way")]


def test_a_batch_has_the_notes_of_its_images(y, quadratic, caplog):
    found = solve(
        torch.cat([y, y]), prior=1 * quadratic, solver=Talking(), stop="max-steps:steps=3", **KNOWN
    )
    assert found.notes == ("half way",)
    assert (
        solve(y, prior=1 * quadratic, solver="fista", stop="max-steps:steps=3", **KNOWN).notes == ()
    )
