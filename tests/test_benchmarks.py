"""`pytest benchmarks`, run as a user would run it, on a tiny matrix."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from invprior.matrix.analysis.regression import compare, read
from invprior.matrix.config.matrix import parse
from invprior.matrix.config.matrix import read as read_matrix
from invprior.matrix.results.cells import Setting, jobs

ROOT = Path(__file__).parents[1]
TEXT = """
images = ["sample:camera:16"]
operators = ["denoise", "downsample:factor=2"]
noises = ["gaussian:sigma=0.1"]
priors = [
    "tikhonov:weight=30",
    { label = "NLM", denoiser = "nlm" },
    { label = "DIP", prior = "dip:net=skip(down=[4]),members=1", steps = 2 },
]
metrics = ["psnr"]
"""


@pytest.fixture
def benchmarks(tmp_path):
    (tmp_path / "tiny.toml").write_text(TEXT)

    def run(*more):
        command = [
            sys.executable,
            "-m",
            "pytest",
            str(ROOT / "benchmarks"),
            "-p",
            "no:cacheprovider",
        ]
        command += ["--matrix", "tiny.toml", "--seeds", "2", *more]
        own = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
        env = {**own, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def test_cells_are_timed_and_scored_and_compared(benchmarks, tmp_path):
    output = benchmarks("--benchmark-save=base", "-rs")
    assert "10 passed, 2 skipped" in output
    assert "A denoiser on its own removes noise only" in output
    (saved,) = tmp_path.glob(".benchmarks/*/*_base.json")
    values = json.loads(saved.read_text())["benchmarks"]
    assert {b["extra_info"]["cell"]["method"] for b in values} == {
        "tikhonov:weight=30",
        "NLM",
        "DIP",
    }
    assert all(b["extra_info"]["metrics"]["psnr"] > 3 for b in values)
    assert all(b["stats"]["min"] > 0 for b in values)

    new, alone = tmp_path / "new.json", tmp_path / "alone.json"
    options = ["--benchmark-compare", f"--benchmark-json={new}", "--quality", str(alone)]
    output = benchmarks("-m", "not slow", *options)
    assert "6 passed, 2 skipped, 4 deselected" in output
    assert "0001_base" in output  # the earlier times are shown too
    baseline = {c: m for c, m in read(saved).items() if c.method != "DIP"}
    report = compare(baseline, read(new))
    assert report.passed
    assert all(v.change == 0 for v in report.verdicts)  # the same bits
    assert read(alone) == read(new)
    written = json.loads(alone.read_text())["benchmarks"]
    assert all(b.keys() == {"extra_info"} for b in written)  # no machine, no times
    assert all(b["extra_info"].keys() == {"cell", "metrics"} for b in written)


def test_the_stored_baseline_is_of_cells_that_ci_computes():
    """A cell that is renamed, or removed from `quick`, would count as lost, and the comparison would fail."""
    matrix = parse(*read_matrix("quick"))
    seeds = replace(matrix, seeds=(0, 1, 2), images=("sample:camera:64",))
    wanted = {j.cell for j in jobs(seeds, Setting(data="."), Path()) if not _left_out(j.method)}
    assert read(ROOT / "benchmarks" / "baseline.json").keys() == wanted


def _left_out(method):
    return method.prior.startswith(("red", "dip"))


def test_the_weave_is_the_amplitude_at_the_nyquist_frequencies(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from weave import weave

    flat = torch.full((1, 3, 32, 32), 0.5)
    sign = torch.tensor([1.0, -1.0]).repeat(16)
    for pattern in (sign, sign[:, None], torch.outer(sign, sign)):
        assert weave(flat + 0.01 * pattern, flat) == pytest.approx(2.55, rel=1e-4)
    # Slower patterns are none.
    slow = torch.tensor([1.0, 1.0, -1.0, -1.0]).repeat(8)
    assert weave(flat + 0.01 * slow, flat) == pytest.approx(0, abs=1e-4)
    # Only blocks that are flat in the truth count.
    board = torch.outer(sign, sign)
    truth = torch.cat((flat + 0.2 * board, flat), -2)
    assert weave(torch.cat((flat + 0.3 * board, flat), -2), truth) == pytest.approx(0, abs=1e-4)
