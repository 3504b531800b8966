"""Two runs into one output: the second is refused at its start."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from invprior.errors import MeasurementError
from invprior.io import files, lock

LOCK = ".x.checkpoint.lock"


@pytest.fixture
def hold():
    """Lock a file as another run does; a second descriptor stands for the second process."""
    held = []

    def call(path, text='{"pid": 123, "host": "here"}'):
        path.write_text(text)
        held.append(os.open(path, os.O_RDWR))
        fcntl.flock(held[-1], fcntl.LOCK_EX)

    yield call
    for descriptor in held:
        os.close(descriptor)


@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--no-checkpoint"]])
@pytest.mark.parametrize("output", ["x.png", "x.tif"])  # both have x.json
def test_the_second_run_is_refused(refused, y, folder, hold, more, output):
    hold(folder / LOCK)
    message = refused("solve", y, "-o", output, *more)
    assert "process 123 on here" in message
    assert "choose another output" in message


def test_a_lock_without_words_is_held_too(hold, folder):
    hold(folder / ".x.lock", "")
    with pytest.raises(MeasurementError, match="another process"):
        lock.acquire(folder / "x")


HOLDER = """
import sys, pathlib, os
from invprior.io import files, lock
lock.acquire(pathlib.Path(sys.argv[1]))
if not os.fork():  # the child itself, as it has then closed its copy of the lock
    print(os.getpid(), flush=True)
sys.stdin.read()
"""


def test_the_system_releases_the_lock_of_a_killed_process(folder):
    """Also when a child of it, forked while it held the lock, is still alive."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", HOLDER, "x"]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        child = int(process.stdout.readline())
        try:
            with pytest.raises(MeasurementError, match=f"process {process.pid} on"):
                lock.acquire(folder / "x")
            process.kill()
            process.wait()
            assert (folder / ".x.lock").exists()
            lock.acquire(folder / "x")
        finally:
            process.kill()
            os.kill(child, signal.SIGKILL)
    lock.release()
    assert not (folder / ".x.lock").exists()


def test_a_lock_that_was_removed_meanwhile_is_taken_again(folder, monkeypatch):
    """Its owner may release it between another process's opening and locking of the file."""
    plain, opened = os.open, []

    def late(path, *arguments):
        descriptor = plain(path, *arguments)
        if not opened:
            Path(path).unlink()
        opened.append(path)
        return descriptor

    monkeypatch.setattr(os, "open", late)
    lock.acquire(folder / "x")
    assert len(opened) == 2
    assert (folder / ".x.lock").exists()
    lock.release()


@pytest.mark.parametrize("name", ["x.png", "x" * 240 + ".png"])
def test_the_next_run_removes_what_a_killed_one_left_of_writing(folder, name, monkeypatch):
    with monkeypatch.context() as killed, files.atomic(folder / name) as file:
        killed.setattr(Path, "unlink", lambda *_, **__: None)
        file.write(b"half")
        left = next(folder.iterdir())
        (folder / "copy").write_bytes(left.read_bytes())
    (folder / name).unlink()
    (folder / "copy").rename(left)
    others = {".y.png.0123abcd.tmp", ".x.png.tmp", ".x.png.0123abcd", ".x.png.mine1234.tmp"}
    for other in others:
        (folder / other).touch()
    lock.acquire(folder / name)
    lock.release()
    assert {p.name for p in folder.iterdir()} == others


def test_the_lock_is_held_during_the_run_only(run, solve, y, folder, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "invprior.runner.progress.Live.__call__",
        lambda *_: seen.append(json.loads((folder / LOCK).read_text())["pid"]),
    )
    solve(y, "-o", "x.png")
    assert set(seen) == {os.getpid()}
    assert not list(folder.glob("*.lock"))
    run("solve", y, "-o", "x.png", code=2)  # refused, as x.png exists
    assert not list(folder.glob("*.lock"))


def test_a_folder(refused, y, folder, hold):
    (folder / "out").mkdir()
    hold(folder / "out" / ".checkpoint.lock")
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


def test_a_name_that_another_run_uses_for_a_side_file(refused, y, folder, hold):
    hold(folder / ".x-comparison.png.lock")
    assert 'the files of "' in refused("solve", y, "-o", "x.tif")


def test_degrade_locks_its_file(refused, run, y, folder, hold):
    hold(folder / ".x.npy.lock")
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
