"""Two runs into one output: the second is refused at its start."""

import json
import os
import socket
import subprocess
import sys

import pytest

from invprior.errors import MeasurementError
from invprior.io import lock

LOCK = ".x.checkpoint.lock"


def dead():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def write(path, pid, host=None, began=None):
    path.write_text(json.dumps({"pid": pid, "host": host or socket.gethostname(), "began": began}))


@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--no-checkpoint"]])
@pytest.mark.parametrize("output", ["x.png", "x.tif"])  # both have x.json
def test_the_second_run_is_refused(refused, y, folder, more, output):
    write(folder / LOCK, os.getppid())
    message = refused("solve", y, "-o", output, *more)
    assert f"process {os.getppid()} on {socket.gethostname()}" in message
    assert "choose another output" in message


def test_a_run_on_another_machine_may_be_alive(refused, y, folder):
    write(folder / LOCK, dead(), "elsewhere")
    assert "on elsewhere" in refused("solve", y, "-o", "x.png")


@pytest.mark.parametrize("content", ["dead", "number taken", "empty"])
def test_a_stale_lock_is_replaced(solve, y, folder, content):
    if content == "empty":
        (folder / LOCK).touch()
        os.utime(folder / LOCK, (0, 0))
    else:
        write(folder / LOCK, dead() if content == "dead" else os.getppid(), began="-1")
    solve(y, "-o", "x.png")
    assert not (folder / LOCK).exists()
    assert (folder / "x.png").exists()


def test_the_lock_is_held_during_the_run_only(run, solve, y, folder, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "invprior.cli.progress.Live.__call__",
        lambda *_: seen.append(json.loads((folder / LOCK).read_text())["pid"]),
    )
    solve(y, "-o", "x.png")
    assert set(seen) == {os.getpid()}
    assert not list(folder.glob("*.lock"))
    run("solve", y, "-o", "x.png", code=2)  # refused, as x.png exists
    assert not list(folder.glob("*.lock"))


def test_a_folder(refused, y, folder):
    (folder / "out").mkdir()
    write(folder / "out" / ".checkpoint.lock", os.getppid())
    for command in (["solve", y], ["experiment", "impedance", y, "--steps", "1"]):
        assert "Another run writes" in refused(*command, "-o", "out")


def test_the_same_process_may_lock_again(folder):
    lock.acquire(folder / "a")
    lock.acquire(folder / "a")
    lock.release()
    assert not list(folder.iterdir())


def test_a_lock_that_cannot_be_written(folder):
    with pytest.raises(MeasurementError, match="Cannot write"):
        lock.acquire(folder / "absent" / "a")


def test_a_name_that_another_run_uses_for_a_side_file(refused, y, folder):
    write(folder / ".x-comparison.png.lock", os.getppid())
    assert 'the files of "' in refused("solve", y, "-o", "x.tif")


def test_degrade_locks_its_file(refused, run, y, folder, monkeypatch):
    write(folder / ".x.npy.lock", os.getppid())
    assert "Another run writes" in refused("degrade", y, "-o", "x.npy")
    run("degrade", y, "-o", "x.tif")  # shares no file with x.npy
    assert not (folder / ".x.tif.lock").exists()
    assert "Another run writes" in refused("solve", y, "-o", "x.npy")


def test_one_of_several_locks_can_be_released(folder):
    lock.acquire(folder / "a", folder / "b")
    lock.release(folder / "a")
    assert [p.name for p in folder.iterdir()] == [".b.lock"]
    lock.release()
    assert not list(folder.iterdir())
