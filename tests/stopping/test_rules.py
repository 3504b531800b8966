"""Each stopping rule by itself."""

from types import SimpleNamespace

import pytest
import torch

from invprior.builders.problem import build
from invprior.problem.solution import Iterate
from invprior.runner.api import solve
from invprior.stopping.discrepancy import Discrepancy
from invprior.stopping.holdout import Holdout
from invprior.stopping.max_steps import MaxSteps, limited
from invprior.stopping.relative_change import RelativeChange
from invprior.stopping.time_limit import TimeLimit


def stops(rule, iterates, problem=None):
    watch = rule.start(problem)
    return [watch(iterate) is not None for iterate in iterates]


def test_max_steps_counts_steps():
    assert stops(MaxSteps(steps=3), [SimpleNamespace(step=s) for s in (1, 2, 3, 4)]) == [
        False,
        False,
        True,
        True,
    ]


def test_time_limit_reads_the_runs_clock():
    iterates = [SimpleNamespace(step=s, seconds=s / 10) for s in (1, 4, 5)]
    assert stops(TimeLimit(seconds=0.5), iterates) == [False, False, True]


def changing(changes):
    return [SimpleNamespace(step=s, change=torch.tensor(c)) for s, c in enumerate(changes, 1)]


@pytest.fixture(scope="module")
def convex():
    return build(torch.rand(1, 1, 8, 8), prior="tikhonov", noise="gaussian:sigma=0.1")[0]


def test_relative_change_needs_small_steps_in_a_row(convex):
    iterates = changing([1e-6, 1.0, 1e-5, 1e-6, 1e-3])
    assert stops(RelativeChange(patience=2), iterates, convex) == [False] * 3 + [True, False]
    assert stops(RelativeChange(patience=1), iterates, convex) == [True, False, True, True, False]
    assert stops(RelativeChange(), changing([float("nan")] * 3), convex) == [False] * 3


def test_relative_change_does_not_take_short_steps_for_convergence(convex):
    """The change has to fall: the sum of the further ones counts, not the length of one."""
    assert not any(stops(RelativeChange(), changing([9e-5] * 60), convex))
    for decay, steps in ((0.5, 10), (0.9, 40), (0.98, 350)):
        changes = [0.02 * decay**k for k in range(500)]
        stop = stops(RelativeChange(), changing(changes), convex).index(True)
        assert sum(changes[stop + 1 :]) < 1.1e-3
        assert stop == pytest.approx(steps, abs=0.35 * steps)
    # An initial estimate far from the minimum does not hide that the rest is slow.
    assert not any(stops(RelativeChange(), changing([1.0, 0.1, *[9e-5] * 60]), convex))


def test_a_denoiser_that_never_settles_ends_the_run_with_the_remedy(convex):
    """pnp with nlm lost 10 dB over 500 steps of fista, and the message asked for more steps."""
    restless = [5e-3 * (1 + 0.2 * (-1) ** k) for k in range(80)]
    assert not any(stops(RelativeChange(), changing(restless), convex))
    (pnp,) = build(torch.rand(1, 1, 8, 8), prior="pnp", noise="gaussian:sigma=0.1")
    assert stops(RelativeChange(), changing(restless), pnp).index(True) == 49
    falling = [0.05 * 0.97**k for k in range(80)]
    assert not any(stops(RelativeChange(), changing(falling), pnp))
    (photons,) = build(torch.rand(1, 1, 8, 8), prior="pnp", fidelity="poisson:peak=5")
    for problem, remedy in ((pnp, "Use hqs"), (photons, "Use another prior")):
        watch = RelativeChange().start(problem)
        (stop, *_) = filter(None, map(watch, changing(restless)))
        assert not stop.ok
        assert "pnp is not the prox of a convex function" in stop.message
        assert remedy in stop.message


@pytest.mark.parametrize(("scale", "offset"), [(1e-3, 0.0), (4095.0, 0.0), (0.1, 0.45)])
def test_the_change_does_not_depend_on_units_and_offset(scale, offset):
    before = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    x = before + 1e-2 * torch.linspace(0, 1, 64).view(1, 1, 8, 8)
    now, plain = (
        Iterate(2, a * x + b, None, 0.0, a * before + b, x, x)
        for a, b in ((scale, offset), (1.0, 0.0))
    )
    assert float(now.change) == pytest.approx(float(plain.change), rel=1e-3)
    flat = torch.full_like(x, 0.7)  # has no spread, and rounding errors are not movement
    assert float(Iterate(2, flat, None, 0.0, flat * (1 + 1e-7), x, x).change) < 1e-5


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_discrepancy_compares_the_residual_with_the_noise(y, factor):
    (problem,) = build(y, prior="tikhonov", noise="gaussian:sigma=0.1")
    rule = Discrepancy(factor=factor, every=1)

    def at(level):  # an image whose residual has this standard deviation
        return SimpleNamespace(step=5, x=y + level)

    assert stops(rule, [at(0.101 * factor), at(0.099 * factor), at(-0.099 * factor)], problem) == [
        False,
        True,
        True,
    ]


def test_discrepancy_checks_every_few_steps(y):
    (problem,) = build(y, prior="tikhonov", noise="gaussian:sigma=0.1")
    iterates = [SimpleNamespace(step=s, x=y) for s in range(1, 7)]
    assert stops(Discrepancy(every=3), iterates, problem) == [
        False,
        False,
        True,
        False,
        False,
        True,
    ]


def test_discrepancy_counts_observed_measurements_only(y):
    """Half of the pixels missing: the same residual on the known ones stops at the same level."""
    known = torch.zeros((6, 5))
    known[:3] = 1
    from invprior.operators.inpaint import Inpaint

    operator = Inpaint((2, 6, 5), mask=known)
    (problem,) = build(y * known, operator=operator, prior="tikhonov", noise="gaussian:sigma=0.1")
    assert problem.measurements == 30
    above, below = (SimpleNamespace(step=5, x=y + level) for level in (0.101, 0.099))
    assert stops(Discrepancy(), [above, below], problem) == [False, True]


def test_a_run_that_reaches_the_noise_stops_there(drawn, y):
    found = solve(
        y, prior=drawn, noise="gaussian:sigma=0.1", stop="discrepancy:every=1", steps=2000
    )
    assert (found.stop.name, found.stop.ok) == ("discrepancy", True)
    assert float((found.x - y).square().mean().sqrt()) <= 0.1


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (RelativeChange() | MaxSteps(steps=500), RelativeChange() | MaxSteps(steps=7)),
        (RelativeChange(), RelativeChange() | MaxSteps(steps=7)),
        (MaxSteps(steps=3), MaxSteps(steps=7)),
        (Holdout(limit=3000) | MaxSteps(steps=3000), Holdout(limit=7) | MaxSteps(steps=7)),
        (
            TimeLimit() | (RelativeChange() & MaxSteps(steps=3)),
            TimeLimit() | (RelativeChange() & MaxSteps(steps=3)) | MaxSteps(steps=7),
        ),
        (RelativeChange() & Holdout(), (RelativeChange() & Holdout(limit=7)) | MaxSteps(steps=7)),
    ],
)
def test_a_limit_replaces_the_rules_own(rule, expected):
    assert limited(rule, 7) == expected
