"""`pytest benchmarks`, run as a user would, on a tiny matrix."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from invprior.matrix.gate import compare, read

ROOT = Path(__file__).parents[1]
TEXT = """
pictures = ["sample:camera:16"]
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
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def test_cells_are_timed_and_scored_and_compared(benchmarks, tmp_path):
    said = benchmarks("--benchmark-save=base", "-rs")
    assert "10 passed, 2 skipped" in said
    assert "A denoiser on its own undoes noise alone" in said
    (saved,) = tmp_path.glob(".benchmarks/*/*_base.json")
    values = json.loads(saved.read_text())["benchmarks"]
    assert {b["extra_info"]["cell"]["method"] for b in values} == {
        "tikhonov:weight=30",
        "NLM",
        "DIP",
    }
    assert all(b["extra_info"]["metrics"]["psnr"] > 3 for b in values)
    assert all(b["stats"]["min"] > 0 for b in values)

    new = tmp_path / "new.json"
    said = benchmarks("-m", "not slow", "--benchmark-compare", f"--benchmark-json={new}")
    assert "6 passed, 2 skipped, 4 deselected" in said
    assert "0001_base" in said  # stands beside
    baseline = {c: m for c, m in read(saved).items() if c.method != "DIP"}
    gate = compare(baseline, read(new))
    assert gate.open
    assert all(v.change == 0 for v in gate.verdicts)  # the same bits
