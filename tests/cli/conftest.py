"""Fixtures that call the command line in this process, in a fresh folder with a small image."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from invprior import samples
from invprior.cli.app import app
from invprior.io.save import save


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder, made the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def y(folder):
    """y.png, 16 x 24, in colour."""
    save("y.png", samples.load("astronaut", 24).x[..., :16, :])
    return "y.png"


@pytest.fixture
def mask(folder):
    """mask.npy of y's size, in which half of the pixels are known."""
    known = np.random.default_rng(0).random((16, 24)) > 0.5
    np.save("mask.npy", known)
    return "mask.npy"


@pytest.fixture
def run():
    """Run a command, which must end with the given exit code and without another exception."""

    def call(*arguments, code=0):
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        output = f"{result.stdout}\n{result.stderr}"
        assert result.exception is None or isinstance(result.exception, SystemExit), output
        assert result.exit_code == code, output
        return result

    return call


@pytest.fixture
def solve(run):
    """`invprior solve` with a fast prior and few steps."""

    def call(*arguments, prior="tv:weight=8", code=0):
        return run("solve", "--prior", prior, "--stop", "max-steps:steps=5", *arguments, code=code)

    return call


@pytest.fixture
def refused(run, folder):
    """Run a command that must be refused: one message on stderr, no file created or changed."""

    def call(*arguments, code=2):
        before = contents(folder)
        result = run(*arguments, code=code)
        assert result.stdout == ""
        assert result.stderr.count("Error") == 1
        assert "Traceback" not in result.stderr
        assert contents(folder) == before
        return result.stderr

    return call


def contents(folder):
    """Return every file below a folder, hidden ones included, with its bytes."""
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def strict_json(text):
    """Parse JSON, refusing the words NaN and Infinity that Python's parser accepts."""

    def constant(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=constant)
