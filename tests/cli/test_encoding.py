"""Names that the terminal's encoding or the file system cannot hold."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from invprior.cli.outputs import settle
from invprior.io import images, samples


@pytest.mark.parametrize("name", ["bild-ä-像.png", os.fsdecode(b"x\xff.png")])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_any_encoding_of_stdout(y, folder, name, encoding):
    Path(y).rename(name)
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "OMP_NUM_THREADS": "1"}
    arguments = ["solve", name, "--prior", "tv:weight=8", "--steps", "2", "-o", f"out-{name}"]
    result = subprocess.run(
        [sys.executable, "-m", "invprior", *arguments], env=environment, capture_output=True
    )
    assert result.returncode == 0, result.stderr
    assert b"Traceback" not in result.stderr
    assert b"Wrote out-" in result.stdout
    assert images.load(f"out-{name}").x.shape == (1, 3, 16, 24)


LONG = "x" * 252 + ".png"


@pytest.mark.parametrize(
    "arguments",
    [
        ["solve", LONG],
        ["solve", "y.png", "-o", LONG],
        ["solve", "y.png", "-o", "ä" * 124 + ".png"],  # 252 bytes, too many for the comparison
        ["solve", "y.png", "-o", "x" * 254 + ".t/x.png"],
        ["solve", "y.png", "--truth", LONG],
        ["solve", "y.png", "--operator", f"inpaint:mask={LONG}"],
        ["solve", "--resume", LONG],
        ["degrade", "y.png", "-o", LONG],
        ["experiment", "impedance", "y.png", "-o", LONG],
    ],
)
def test_names_that_are_too_long(refused, y, arguments):
    assert "at most 255 bytes" in refused(*arguments)


def test_long_names_that_fit(solve, y, folder):
    name = "ä" * 118  # with "-comparison.png" 251 bytes
    solve(y, "-o", f"{name}.png")
    assert (folder / f"{name}-comparison.png").exists()


def test_the_folder_of_an_image_with_a_long_name(folder):
    like = samples.load("camera", 16)
    title = "ä" * 127 + "-denoise-tv"
    outputs = settle(None, title, like, channels=1, simulated=False, overwrite=False).claimed()
    assert outputs.restoration.parent.is_dir()


def test_a_second_ctrl_c_says_how_to_resume(run, y, folder, monkeypatch):
    def first(self, iterate):
        if iterate.step == 3:
            raise KeyboardInterrupt

    def second(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("invprior.cli.progress.Live.__call__", first)
    monkeypatch.setattr("invprior.cli.session.save_comparison", second)
    options = ["--prior", "tv:weight=8", "--stop", "max-steps:steps=8", "-o", "x.png"]
    stderr = run("solve", y, *options, code=130).stderr
    assert "Resume with: invprior solve --resume x.checkpoint" in stderr
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert "Wrote x.png" in run("solve", "--resume", "x.checkpoint").stdout
