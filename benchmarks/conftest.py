"""Options of `pytest benchmarks`, and the cells of a matrix as its parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from invprior import registry
from invprior.io import files
from invprior.matrix.config import specs
from invprior.matrix.config.matrix import parse, read
from invprior.matrix.results.cells import Job, Setting, jobs
from invprior.problem.functionals import Reparameterization

QUALITY = pytest.StashKey[list[dict[str, object]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("invprior")
    group.addoption("--matrix", default="quick", help="A matrix: a built-in name, or a .toml file.")
    group.addoption("--seeds", type=int, default=3, help="Number of seeds of each cell, from 0.")
    group.addoption("--data", type=Path, default=Path(), help="The folder of the matrix's images.")
    group.addoption("--threads", type=int, default=1, help="Of each cell.")
    group.addoption(
        "--rounds", type=int, default=3, help="How often a cell that is not slow is timed."
    )
    group.addoption(
        "--quality",
        type=Path,
        help="Write the scores of the cells to this file, for `invprior matrix regression`.",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[QUALITY] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the scores for `invprior matrix regression`: no times, no machine, a line for each cell."""
    path: Path | None = session.config.getoption("--quality")
    if path is not None:
        lines = ",\n".join(json.dumps({"extra_info": one}) for one in session.config.stash[QUALITY])
        with files.atomic(path, overwrite=True) as file:
            file.write(f'{{"benchmarks": [\n{lines}\n]}}\n'.encode())


@pytest.fixture
def keep_quality(
    request: pytest.FixtureRequest,
) -> Callable[[Job, Mapping[str, float]], None]:
    """Keep the scores of a cell for --quality."""
    kept = request.config.stash[QUALITY]
    return lambda job, metrics: kept.append({"cell": asdict(job.cell), "metrics": dict(metrics)})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "job" in metafunc.fixturenames:
        metafunc.parametrize("job", [_parameter(job) for job in _jobs(metafunc.config)])


@pytest.fixture(autouse=True)
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.config.getoption("--threads"))
    yield
    torch.set_num_threads(before)


def _jobs(options: pytest.Config) -> Iterator[Job]:
    matrix = parse(*read(options.getoption("--matrix")))
    seeds = tuple(range(options.getoption("--seeds")))
    data = options.getoption("--data").absolute()
    setting = Setting(data=str(data), threads=options.getoption("--threads"))
    yield from jobs(replace(matrix, seeds=seeds), setting, Path())


def _parameter(job: Job) -> object:
    cell = job.cell
    parts = (cell.operator, cell.noise, cell.method, cell.image, f"seed {cell.seed}")
    marks = [pytest.mark.slow] if _is_slow(job) else []
    return pytest.param(job, id=", ".join(filter(None, parts)), marks=marks)


def _is_slow(job: Job) -> bool:
    """Whether a network is fitted. Priors of other packages count as slow, and are not imported here."""
    if not job.method.prior:
        return False
    if not specs.is_own("priors", job.method.prior):
        return True
    kinds = [
        registry.load(registry.find("priors", s.name))
        for s in specs.parsed("priors", job.method.prior)
    ]
    return any(issubclass(kind, Reparameterization) for kind in kinds)
