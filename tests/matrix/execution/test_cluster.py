"""The same matrix on a Dask cluster of this machine, one of whose two workers is killed."""

import subprocess
import sys
import time

import psutil
import pytest

from tests.matrix.conftest import SMALL

from .test_kill import MAIN, kill, table

pytest.importorskip("distributed")

SERVER = "invprior.matrix.execution.fork_server"
MATRIX = SMALL.replace('"tv:weight=8"', '"tv:weight=8", "nobody/tv"') + "seeds = [0, 1, 2, 3]\n"


@pytest.mark.slow
def test_the_records_are_the_same_though_a_worker_dies(made, computed, tmp_path):
    (tmp_path / "m.toml").write_text(MATRIX)
    folder = tmp_path / "dask"
    options = ["matrix", "run", "m.toml", "-o", "dask", "--engine", "dask", "--workers", "2"]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *options], cwd=tmp_path, stdout=output, stderr=output
        )
        until = time.monotonic() + 200
        victim = None
        while victim is None:
            assert process.poll() is None, (tmp_path / "output").read_text()
            assert time.monotonic() < until
            victim = busy_worker(process.pid)
            time.sleep(0.01)
        assert kill(victim)
        code = process.wait(timeout=200)
    printed = (tmp_path / "output").read_text()
    assert code == 1, printed  # for the missing package
    assert "Traceback" not in printed
    alone = made(MATRIX, folder="alone")
    computed(alone)
    assert table(folder) == table(alone.folder)
    for found in folder.glob("records/*.png"):
        assert found.read_bytes() == (alone.folder / "records" / found.name).read_bytes()


def busy_worker(run):
    """Return a Dask worker that computes a cell: the parent of a fork server with a worker and a cell's process."""
    for process in psutil.Process(run).children(recursive=True):
        try:
            parent = process.parent()
            # Forked workers and cells have the command line of their server.
            is_server = (
                SERVER in process.cmdline()
                and parent is not None
                and SERVER not in parent.cmdline()
            )
            if is_server and len(process.children(recursive=True)) > 1:
                return parent.pid
        except psutil.NoSuchProcess:
            continue
    return None
