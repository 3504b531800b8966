"""kill -9 of the run, its workers and its cells at random moments: nothing is lost or damaged."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest

from invprior.matrix.execution.pool import TRIES, ProcessPool
from invprior.matrix.results.store import locked
from tests.matrix.conftest import SMALL
from tests.matrix.made import all_records

MATRIX = SMALL + "seeds = [0, 1, 2, 3, 4, 5]\n"
MAIN = "import sys; sys.argv[0] = 'invprior'; from invprior.cli import main; main()"
RUNS, WORKERS, CELLS = 2, 6, 12


def table(folder):
    """Return what tables are made of; every record must be complete."""
    return {r.cell: (r.status, r.metrics, r.steps, r.result_sha256) for r in all_records(folder)}


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def child_of(pid):
    try:
        found = psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return None
    return found[0].pid if found else None


def kill_a_run(folder, after, *, server_too=False):
    """Start the command and kill it when it has written some records; all that it started must end too."""
    options = ["matrix", "run", str(folder.parent / "m.toml"), "-o", str(folder), "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *options],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=folder.parent,
    )
    wait_for_records(folder, after, process)
    if server_too:  # the run starts another one
        (server,) = psutil.Process(process.pid).children()
        assert kill(server.pid)
        wait_for_records(folder, after + 1, process)
    started = psutil.Process(process.pid).children(recursive=True)
    assert kill(process.pid)
    process.wait()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive


def wait_for_records(folder, count, process):
    until = time.monotonic() + 120
    while len(list(folder.glob("records/*.json"))) < count:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.slow
def test_twenty_kills_change_nothing(made, server, computed, tmp_path):
    draw = random.Random(0)
    (tmp_path / "m.toml").write_text(MATRIX)
    kill_a_run(tmp_path / "results", 1)
    kill_a_run(tmp_path / "results", 2, server_too=True)
    store = made(MATRIX)
    jobs = store.jobs()
    begun = table(store.folder)
    assert RUNS <= len(begun) < len(jobs)

    left = ["worker"] * WORKERS + ["cell"] * CELLS
    draw.shuffle(left)
    hurt: Counter[str] = Counter()
    rounds = 0
    with ProcessPool(1, 1, store.folder, server) as pool:
        while left:
            rounds += 1
            assert rounds < 10
            for event in pool.run(
                jobs, tick=0.05
            ):  # also those that are done, to have enough to kill
                if event is None or event.kind != "started" or not left:
                    continue
                if hurt[event.job.key] >= TRIES - 1:
                    continue
                time.sleep(draw.random() * 0.1)
                worker = pool.workers[event.worker].pid
                target = worker if left[-1] == "worker" else child_of(worker)
                if target is not None and kill(target):
                    left.pop()
                    hurt[event.job.key] += 1
            hurt.clear()
    with locked(store.folder):
        store.tidy(jobs)  # as every run does at its start
    assert not [*store.folder.rglob(".*"), *tmp_path.glob(".*")]  # temporary files and locks
    assert store.read()[1] == []  # every record and every image is whole
    found = table(store.folder)
    assert found.items() >= begun.items()
    alone = made(MATRIX, folder="alone")
    computed(alone)
    assert found == table(alone.folder)
    assert images(store.folder) == images(alone.folder)


def images(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*.png")}


def test_a_cell_that_is_killed_every_time_is_a_row(made, server):
    store = made(MATRIX)
    (job,) = store.jobs()[:1]
    with ProcessPool(1, 1, store.folder, server) as pool:
        for event in pool.run([job], tick=0.05):
            if event is not None and event.kind == "started":
                kill(pool.workers[0].pid)
    (only,) = all_records(store.folder)
    assert only.status == "out-of-memory"
    assert f"killed from outside {TRIES} times" in only.reason
