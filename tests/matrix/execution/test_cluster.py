"""The same matrix on a Dask cluster of this machine, one of whose two workers is killed."""

import subprocess
import sys
import time

import psutil
import pytest

from tests.matrix.conftest import SMALL

from .test_kill import MAIN, kill, table

pytest.importorskip("distributed")

MATRIX = SMALL.replace('"tv:weight=8"', '"tv:weight=8", "nobody/tv"') + "seeds = [0, 1, 2, 3]\n"


@pytest.mark.slow
def test_the_records_are_the_same_though_a_worker_dies(made, computed, tmp_path):
    (tmp_path / "m.toml").write_text(MATRIX)
    folder = tmp_path / "dask"
    options = ["matrix", "run", "m.toml", "-o", "dask", "--engine", "dask", "--workers", "2"]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *options], cwd=tmp_path, stdout=said, stderr=said
        )
        until = time.monotonic() + 200
        victim = None
        while victim is None:
            assert process.poll() is None, (tmp_path / "said").read_text()
            assert time.monotonic() < until
            victim = busy_worker(process.pid)
            time.sleep(0.01)
        assert kill(victim)
        code = process.wait(timeout=200)
    told = (tmp_path / "said").read_text()
    assert code == 1, told  # for the package that is missing
    assert "Traceback" not in told
    alone = made(MATRIX, folder="alone")
    computed(alone)
    assert table(folder) == table(alone.folder)
    for found in folder.glob("records/*.png"):
        assert found.read_bytes() == (alone.folder / "records" / found.name).read_bytes()


def busy_worker(run):
    """A Dask worker of a run that computes a cell: the grandparent of a cell's process, by way of its nest."""
    for process in psutil.Process(run).children(recursive=True):
        try:
            nest = "invprior.matrix.execution.fork_server" in process.cmdline()
            parent = process.parent()
            outer = (
                nest
                and parent is not None
                and "invprior.matrix.execution.fork_server" not in parent.cmdline()
            )
            if outer and len(process.children(recursive=True)) > 1:
                return parent.pid
        except psutil.NoSuchProcess:
            continue
    return None
