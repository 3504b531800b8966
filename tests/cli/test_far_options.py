"""Runs with an option that is far too large or too small end with a result or a message, and in time."""

import random

import pytest
from typer.testing import CliRunner

from invprior import registry
from invprior.cli.app import app
from invprior.registry.options import options_of
from tests.fuzzing import COUNT, timed

SOLVED = {
    "operators": "--operator", "noises": "--noise", "fidelities": "--fidelity", "priors": "--prior",
    "solvers": "--solver", "stopping": "--stop", "weights": "--weight",
}  # fmt: skip
NUMBERS = ("0", "1e-37", "1e-30", "1e-12", "1e12", "1e30", "1e37", "1e300", "-1", "true", "x")


@pytest.mark.parametrize("number", NUMBERS[:: 1 if COUNT > 60 else 4])
def test_a_run_with_an_option_far_off(y, number):
    draw = random.Random(number)
    CliRunner().invoke(
        app, ["solve", y, "--steps", "2", "--quiet"]
    )  # imports what is slow to import
    for _ in range(max(COUNT // 20, 3)):
        entry = draw.choice([e for e in registry.entries() if e.group in SOLVED])
        numbers = [o.name for o in options_of(registry.load(entry)) if "float" in o.type]
        if not numbers:
            continue
        text = f"{entry.name}:{draw.choice(numbers)}={number}"
        given = {"--prior": "tv:weight=1", "--noise": "gaussian:sigma=0.1"}
        given[SOLVED[entry.group]] = text
        words = [word for pair in given.items() for word in pair]
        options = ["--steps", "2", "--quiet", "-o", "x.png", "--overwrite"]
        result = timed(CliRunner().invoke, app, ["solve", y, *words, *options])
        assert result.exit_code in (0, 2), (words, result.exception)
