"""Names that the terminal's encoding or the file system cannot hold."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.markup import escape
from rich.progress import Progress, TextColumn
from rich.table import Table

from invprior.cli import console
from invprior.cli.outputs import settle
from invprior.io import images, samples
from tests.packages import PRIOR


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


EVIL = "\x1b[31m\u202egnp"  # red from here on, and "png" reversed


def test_names_cannot_steer_the_terminal(run, solve, y, folder):
    Path(y).rename(f"{EVIL}.png")
    shown = [
        solve(f"{EVIL}.png", "-o", f"{EVIL}-x.png").stdout,
        run("solve", f"{EVIL}-gone.png", code=2).stderr,
        run("solve", f"{EVIL}.png", "--prior", f"tv:kind='{EVIL}'", code=2).stderr,
    ]
    for text in shown:
        assert "\\x1b[31m\\u202egnp" in text.replace("\n", "")
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_words_of_plugins_cannot_steer_the_terminal(run, packages):
    evil = PRIOR.replace("of the norm", EVIL).replace("A penalty", f"[red]{EVIL}")
    packages.add("evil", "[invprior.priors]\nmine = evil:Mine\n", version="1.0[red]", evil=evil)
    for command in (["list"], ["describe", "prior", "mine"], ["info"]):
        text = run(*command).stdout
        assert "1.0[red]" in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "\\x1b" in run("describe", "prior", "mine").stdout


def test_bars_and_tables_cannot_steer_the_terminal():
    file = io.StringIO()
    terminal = type(console.out)(file=file, force_terminal=True, color_system=None, width=60)
    table = Table()
    table.add_column(min_width=40)
    table.add_row(f"{EVIL} in a table")
    with Progress(TextColumn("{task.description}"), console=terminal) as progress:
        progress.add_task(escape(f"{EVIL} beside a bar"), total=3)
        terminal.print(table)
    assert file.getvalue().count("\\x1b[31m\\u202egnp in a table") == 1
    assert "\\x1b[31m\\u202egnp be" in file.getvalue()
    assert "\x1b[31m" not in file.getvalue()
    assert "\x1b[?25l" in file.getvalue()  # rich's own code, which hides the cursor


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

    monkeypatch.setattr("invprior.runner.progress.Live.__call__", first)
    monkeypatch.setattr("invprior.cli.session.save_comparison", second)
    options = ["--prior", "tv:weight=8", "--stop", "max-steps:steps=8", "-o", "x.png"]
    stderr = run("solve", y, *options, code=130).stderr
    assert "Resume with: invprior solve --resume x.checkpoint" in stderr
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert "Wrote x.png" in run("solve", "--resume", "x.checkpoint").stdout
