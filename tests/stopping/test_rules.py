"""Each stopping rule by itself."""

from types import SimpleNamespace

import pytest
import torch

from invprior.builders.problem import build
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


def test_relative_change_needs_small_steps_in_a_row():
    changes = [1e-5, 1.0, 1e-5, 1e-5, 1e-3]
    iterates = [SimpleNamespace(step=s, change=torch.tensor(c)) for s, c in enumerate(changes, 1)]
    assert stops(RelativeChange(tolerance=1e-4, patience=2), iterates) == [False] * 3 + [
        True,
        False,
    ]
    assert stops(RelativeChange(tolerance=1e-4, patience=1), iterates) == [
        True,
        False,
        True,
        True,
        False,
    ]
    nan = [SimpleNamespace(step=s, change=torch.tensor(float("nan"))) for s in (1, 2, 3)]
    assert stops(RelativeChange(), nan) == [False] * 3


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
