"""The joining of stopping rules."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch

from invprior.errors import OptionError
from invprior.problem.solution import Stop
from invprior.stopping.base import AllOf, AnyOf, StoppingRule
from invprior.stopping.max_steps import MaxSteps
from invprior.stopping.relative_change import RelativeChange
from invprior.stopping.time_limit import TimeLimit


@dataclass(frozen=True, kw_only=True)
class At(StoppingRule):
    """Stops at one step only, and may return an earlier, better image."""

    when: int = 1
    ok: bool = True
    better: object = None

    def start(self, problem):
        def watch(iterate):
            if iterate.step != self.when:
                return None
            return Stop("at", self.ok, f"at {self.when}", self.better)

        return watch


def first_stop(rule, last=20):
    """Return the step at which a rule stops, and its stop."""
    watch = rule.start(None)
    for step in range(1, last + 1):
        if stop := watch(SimpleNamespace(step=step, seconds=float(step))):
            return step, stop
    return None, None


def test_any_stops_with_the_first():
    step, stop = first_stop(At(when=5) | At(when=3))
    assert (step, stop.name, stop.ok, stop.message) == (3, "at", True, "at 3")


def test_any_returns_the_stop_of_its_rule():
    image = torch.zeros(1)
    _, stop = first_stop(At(when=2, ok=False, better=image) | MaxSteps(steps=9))
    assert not stop.ok
    assert stop.x is image


@pytest.mark.parametrize(
    "rule",
    [
        At(when=9) | MaxSteps(steps=3),
        MaxSteps(steps=3) | At(when=9),
        (MaxSteps(steps=3) | TimeLimit(seconds=8)) | At(when=9),
        MaxSteps(steps=3) | (TimeLimit(seconds=8) | At(when=9)),
        (MaxSteps(steps=3) & TimeLimit(seconds=2)) | At(when=9),
        (MaxSteps(steps=9) & At(when=2)) | MaxSteps(steps=3),
    ],
)
def test_a_budget_before_quality_is_not_ok(rule):
    step, stop = first_stop(rule)
    assert step == 3
    assert not stop.ok
    assert ", before " in stop.message
    assert "at was met" in stop.message


def test_quality_in_the_budgets_last_step_counts():
    for rule in (MaxSteps(steps=3) | At(when=3), At(when=3) | MaxSteps(steps=3)):
        step, stop = first_stop(rule)
        assert (step, stop.name, stop.ok) == (3, "at", True)


def test_budgets_alone_are_a_good_end():
    for rule in (
        MaxSteps(steps=3),
        MaxSteps(steps=3) | TimeLimit(seconds=9),
        TimeLimit(seconds=3) | MaxSteps(),
    ):
        step, stop = first_stop(rule)
        assert (step, stop.ok) == (3, True)


def test_all_waits_for_every_rule_each_at_its_own_step():
    step, stop = first_stop(At(when=2) & At(when=6) & MaxSteps(steps=4))
    assert (step, stop.ok) == (6, True)
    assert stop.name == "at & at & max-steps"
    assert stop.message == "at 2 and at 6 and reached 4 steps"


def test_all_is_as_good_as_its_worst_and_keeps_the_better_image():
    image = torch.zeros(1)
    _, stop = first_stop(At(when=2, ok=False, better=image) & At(when=3))
    assert not stop.ok
    assert stop.x is image


def test_each_run_has_its_own_memory():
    rule = At(when=2) & MaxSteps(steps=4)
    assert first_stop(rule)[0] == first_stop(rule)[0] == 4


def test_joined_rules_of_one_kind_are_flat():
    a, b, c = MaxSteps(steps=1), MaxSteps(steps=2), MaxSteps(steps=3)
    assert (a | b) | c == a | (b | c) == AnyOf((a, b, c))
    assert (a & b) & c == a & (b & c) == AllOf((a, b, c))
    assert ((a & b) | c).rules == (AllOf((a, b)), c)


def test_prepare_goes_through_every_rule():
    class Adding(MaxSteps):
        def prepare(self, problem, generator):
            return [*problem, self.steps]

    rule = Adding(steps=1) | (Adding(steps=2) & Adding(steps=3))
    assert rule.prepare([], torch.Generator()) == [1, 2, 3]


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (lambda: MaxSteps(steps=0), "steps"),
        (lambda: TimeLimit(seconds=0), "seconds"),
        (lambda: RelativeChange(tolerance=0), "tolerance"),
        (lambda: RelativeChange(patience=0), "patience"),
    ],
)
def test_options_have_ranges(make, option):
    with pytest.raises(OptionError, match=f'"{option}"'):
        make()
