"""The transcript in docs/write-a-prior.md is what happens: a package is written, installed with pip, and used."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "write-a-prior.md"
START = "<!-- not run: tests/test_transcript.py runs it"


def commands():
    """Each command with the output shown below it; a command ends where its here-document does."""
    text = PAGE.read_text()
    block = re.search(r"```console\n(.*?)^```$", text[text.index(START) :], re.M | re.S)[1]
    found = []
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        lines = part.splitlines()
        length = lines.index("END") + 1 if "<<'END'" in lines[0] else 1
        found.append(("\n".join(lines[:length]), lines[length:]))
    return found


def pattern(shown):
    """What an output must match: dots stand for anything, spaces for any number of them."""
    parts = [r".*" if line.strip() == "..." else _line(line) for line in shown if line.strip()]
    return r"\s*" + r"\s*".join(parts) + r"\s*"


def _line(line):
    words = [".*" if word == "..." else re.escape(word) for word in line.split()]
    return r"\s+".join(words)


@pytest.fixture
def shell(tmp_path):
    """Run a command as a user would, where pip installs into a folder that Python finds.

    Nothing is fetched, and nothing that this environment holds is changed.
    """
    site, bin_folder = tmp_path / "site", tmp_path / "bin"
    bin_folder.mkdir()
    pip = f"-m pip --disable-pip-version-check -q install --no-deps --no-build-isolation --target {site}"
    main = "import sys; sys.argv[0] = 'invprior'; from invprior.cli import main; main()"
    for name, words in (("pip", f'{pip} "${{@:2}}"'), ("invprior", f'-c "{main}" "$@"')):
        script = bin_folder / name
        script.write_text(f'#!/bin/bash\nexec "{sys.executable}" {words}\n')
        script.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(site),
        "COLUMNS": "100",
        "OMP_NUM_THREADS": "1",
    }
    (tmp_path / "smooth").mkdir()

    def run(command):
        return subprocess.run(
            ["bash", "-ec", command],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path / "smooth",
        )

    return run


def test_the_prior_has_at_most_ten_lines():
    (module,) = [c for c, _ in commands() if c.startswith("cat > smooth.py")]
    code = [line for line in module.splitlines()[1:-1] if line.strip()]
    assert len(code) <= 10


def test_every_command_does_what_is_shown(shell):
    ran = []
    for command, shown in commands():
        if command == "mkdir smooth && cd smooth":
            continue  # a process cannot move the next one
        done = shell(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        said = f"{done.stdout}\n{done.stderr}"
        assert not shown or re.fullmatch(pattern(shown), said, re.S), f"{command}\n{said}"
        ran.append(command.split()[:2])
    for words in (
        ["pip", "install"],
        ["invprior", "list"],
        ["invprior", "describe"],
        ["invprior", "solve"],
    ):
        assert words in ran
