"""Tests of planted faults: each faulty plugin must fail the check that is named."""

import re

import pytest

from invprior.testing import run_checks

FAULTS = []  # the name of every planted fault and of the check that must catch it


def planted(*cases):
    """Run a test for each (object, check that must fail, pattern that its message must match)."""
    FAULTS.extend((_name(case[0]), case[1]) for case in cases)
    named = [pytest.param(*case, id=f"{_name(case[0])}-{case[1]}") for case in cases]
    return pytest.mark.parametrize(("obj", "name", "text"), named)


def assert_caught(obj, name, text):
    made = run_checks.subject(obj)
    (check,) = (c for c in run_checks.checks_of(made) if c.name == name)
    verdict = run_checks.run_check(
        check, made, run_checks.expected_failures_of(made, None).get(name)
    )
    assert verdict.outcome == "fail", verdict
    assert re.search(text, verdict.text), verdict


def _name(obj):
    return obj.__name__ if isinstance(obj, type) else type(obj).__name__
