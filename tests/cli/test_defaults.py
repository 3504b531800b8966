"""The user's defaults, from files and the environment; the version; what shells complete."""

import json
import os
import subprocess
import sys

import pytest

import invprior
from invprior.cli import completion

FAST = 'prior = "tikhonov:weight=1"\nnoise = "gaussian:sigma=0.1"\nsteps = 2\n'


def record(folder, name="x"):
    return json.loads((folder / f"{name}.json").read_text())


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    run, y, folder, monkeypatch
):
    (folder / "invprior.toml").write_text(f"[solve]\n{FAST}range = [0, 255]\ncheckpoint = false\n")
    run("solve", y, "-o", "x.png")
    made = record(folder)
    assert made["provenance"]["prior"].startswith("tikhonov:weight=1")
    assert made["steps"] <= 2
    monkeypatch.setenv("INVPRIOR_SOLVE_PRIOR", "tikhonov:weight=2")
    monkeypatch.setenv("INVPRIOR_SOLVE_RANGE", "0 254")
    run("solve", y, "-o", "e.png")
    assert record(folder, "e")["provenance"]["prior"].startswith("tikhonov:weight=2")
    run("solve", y, "-o", "c.png", "--prior", "tikhonov:weight=3")
    assert record(folder, "c")["provenance"]["prior"].startswith("tikhonov:weight=3")


def test_a_project_file_in_a_folder_above_has_a_section(run, y, folder, monkeypatch):
    (folder / "pyproject.toml").write_text(f"[tool.invprior.solve]\n{FAST}")
    (folder / "below").mkdir()
    (folder / "below/pyproject.toml").write_text("[project]\nname = 'other'\n")
    monkeypatch.chdir(folder / "below")
    run("solve", f"../{y}", "-o", "x.png")
    assert record(folder / "below")["provenance"]["prior"].startswith("tikhonov:weight=1")
    assert "pyproject.toml" in run("info", "--json").stdout


def test_all_faults_of_defaults_are_named_at_once_with_their_origin(run, folder, monkeypatch):
    text = '[solve]\npiror = "tv"\nsteps = "three"\n[matrix.run]\nworkers = 0\n[sovle]\n'
    (folder / "invprior.toml").write_text(text)
    monkeypatch.setenv("INVPRIOR_SOLVE_SED", "1")
    monkeypatch.setenv("INVPRIOR_FUZZ", "1")  # names no command: another program's
    said = run("list", code=2).stderr
    for part in (
        'no command or option with "solve piror" (did you mean "prior"?)',
        "invprior.toml\", solve steps: ", "invprior.toml\", matrix run workers: ",
        '"sovle" (did you mean "solve"?)', 'INVPRIOR_SOLVE_SED names no option of solve (did you mean "SEED"?)',
    ):  # fmt: skip
        assert part in said
    assert "FUZZ" not in said
    assert run("--version").stdout == f"invprior {invprior.__version__}\n"  # needs no defaults
    (folder / "invprior.toml").write_text("[solve\n")
    assert "is no TOML" in run("list", code=2).stderr


@pytest.mark.parametrize(
    ("complete", "typed", "found"),
    [
        (completion.plugins("priors"), "t", ["tikhonov", "tv"]),
        (completion.plugins("priors"), "dip + 2*w", ["dip + 2*wavelet"]),
        (completion.plugins("stopping"), "holdout | ti", ["holdout | time-limit"]),
        (completion.plugins("priors"), "tv:w", []),
        (completion.kinds, "we", ["weight-rule"]),
    ],
)
def test_names_of_plugins_are_completed(complete, typed, found):
    assert [name for name, _ in complete(typed)] == found


def test_a_shell_completes_without_importing_torch(folder):
    code = (
        "import sys; sys.argv = ['invprior']\n"
        "from invprior.cli import main\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules"
    )
    environment = {
        "_INVPRIOR_COMPLETE": "complete_bash",
        "COMP_WORDS": "invprior describe prior wav",
        "COMP_CWORD": "3",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["wavelet"], done.stderr
