"""Every cell of a matrix as a benchmark: the time of the reconstruction alone, with its quality.

pytest benchmarks                                     # the matrix quick, three seeds
pytest benchmarks -m "not slow" -k "denoise and tv"
pytest benchmarks -m "not slow" --rounds 1 --quality new.json
invprior matrix regression benchmarks/baseline.json new.json
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from invprior.errors import IncompatibleError
from invprior.matrix.execution.data import prepare
from invprior.matrix.execution.restore import Restored, restore
from invprior.matrix.execution.scoring import Scores
from invprior.matrix.results.cells import Job


class Stopwatch:
    """A clock that stops while weights are chosen, libraries warm up and scores are computed."""

    def __init__(self) -> None:
        self.stopped = 0.0

    def __call__(self) -> float:
        return time.perf_counter() - self.stopped

    def count_only(self, seconds: float, began: float) -> None:
        """Count the time since `began` as this many seconds."""
        self.stopped += time.perf_counter() - began - seconds


CLOCK = Stopwatch()


@pytest.mark.benchmark(timer=CLOCK)
def test_cell(
    benchmark: BenchmarkFixture,
    job: Job,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    keep_quality: Callable[[Job, Mapping[str, float]], None],
) -> None:
    if job.missing:
        pytest.skip(f"needs {' and '.join(job.missing)}")
    if job.method.weights in ("tuned", "oracle"):
        pytest.skip('tuning is no part of a benchmark; give the tuned weight and weights = "fixed"')
    monkeypatch.chdir(job.setting.data)  # specs name files relative to it
    case = prepare(job)
    scores = Scores.of(job.metrics, case, job.protocol)

    def reconstruct() -> Restored:
        began = time.perf_counter()
        made = restore(job, case, lambda x: {}, lambda step, seconds: None, None)
        CLOCK.count_only(made.solve, began)
        return made

    benchmark.group = ", ".join(filter(None, (job.cell.operator, job.cell.noise, job.cell.image)))
    slow = request.node.get_closest_marker("slow") is not None
    rounds = 1 if slow else request.config.getoption("--rounds")
    try:
        made = benchmark.pedantic(reconstruct, rounds=rounds)
    except IncompatibleError as error:
        pytest.skip(str(error))
    if made.reason:
        pytest.fail(made.reason)
    metrics = scores(made.x)
    keep_quality(job, metrics)
    benchmark.extra_info |= {
        "cell": asdict(job.cell), "metrics": metrics, "steps": made.steps, "weights": made.weights,
        "calls": dict(made.calls), "tuning_seconds": made.tuning, "threads": job.setting.threads,
    }  # fmt: skip
