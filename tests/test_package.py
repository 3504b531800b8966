"""What is published: the version, the dependencies, the archive of the source, and the files around the code."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

import pytest

import invprior
from invprior.cli import plugin_new
from invprior.errors import IncompatibleError
from invprior.matrix.execution import process

ROOT = Path(invprior.__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# The name of a distribution is that of its module, but for these.
MODULES = {
    "pywavelets": "pywt", "pillow": "PIL", "scikit-image": "skimage", "annotated-types": "annotated_types",
}  # fmt: skip
POSIX = {"fcntl", "resource", "pty", "termios", "pwd", "grp", "tty"}


def test_the_version_stands_in_one_place():
    yaml = pytest.importorskip("yaml")
    assert "version" in PROJECT["project"]["dynamic"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"]["attr"] == (
        "invprior._version.__version__"
    )
    assert version("invprior") == invprior.__version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    # A file of another format cannot read it, so this one repeats it.
    assert citation["version"] == invprior.__version__
    assert citation["license"] == PROJECT["project"]["license"]
    assert citation["repository-code"] == PROJECT["project"]["urls"]["Source"]


def test_dependencies_are_those_that_are_imported_and_modules_load_on_windows():
    found, posix = set(), []
    for path in (ROOT / "invprior").rglob("*.py"):
        tree = ast.parse(path.read_text())
        top = set(map(id, tree.body))
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found |= {name.partition(".")[0] for name in names}
            if id(node) in top and POSIX & set(names):  # below a function or a condition is fine
                posix.append(path.name)
    declared = {re.split("[>=]", d)[0] for d in PROJECT["project"]["dependencies"]}
    assert {MODULES.get(name, name) for name in declared} <= found
    assert posix == []


def test_what_cannot_work_on_windows_says_so(monkeypatch):
    monkeypatch.setattr(process.os, "name", "nt")
    monkeypatch.setattr(process.sys, "platform", "win32")
    with pytest.raises(IncompatibleError, match=r"needs Linux or macOS; got win32.*\(WSL\)"):
        process.need_posix("A run of the matrix")


def test_plugins_are_built_and_licensed_as_invprior_is():
    """Older setuptools refuse a licence that is an SPDX identifier."""
    template = plugin_new._PYPROJECT.substitute(defaultdict(lambda: "any"))
    texts = [path.read_text() for path in (ROOT / "plugins").glob("*/pyproject.toml")]
    for read in map(tomllib.loads, [template, *texts]):
        assert read["build-system"] == PROJECT["build-system"], read["project"]["name"]
        assert read["project"]["license"] == PROJECT["project"]["license"]


def test_the_lowest_versions_are_printed_as_constraints():
    done = subprocess.run(
        [sys.executable, ROOT / ".ci/lowest.py", "torch"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "typer==0.19\n" in done.stdout
    assert "torch" not in done.stdout
    assert len(done.stdout.splitlines()) == len(PROJECT["project"]["dependencies"]) - 1


def test_the_archive_of_the_source_has_all_that_the_tests_need(tmp_path):
    pytest.importorskip("setuptools")
    code = "import setuptools; setuptools.setup()"
    command = [sys.executable, "-c", code, "-q", "egg_info", "--egg-base", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    listed = set((tmp_path / "invprior.egg-info/SOURCES.txt").read_text().split("\n"))
    ignored = re.compile(
        r"__pycache__|egg-info|^docs/(_build|generated)/|(^|/)\.(pytest|ruff|mypy|import|hypo|bench|git/|venv)"
    )
    places = ("invprior", "tests", "docs", "plugins", "benchmarks", ".github", ".ci")
    files = [p for place in places for p in (ROOT / place).rglob("*") if p.is_file()]
    files += [p for p in ROOT.iterdir() if p.suffix in (".md", ".toml", ".txt", ".cff", ".yaml")]
    wanted = {p.relative_to(ROOT).as_posix() for p in files}
    assert {name for name in wanted - listed if not ignored.search(name)} == set()


def test_the_image_of_docker_is_built_from_files_that_are_here():
    lines = [
        shlex.split(line)
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    copied = [name for word, *more in lines if word == "COPY" for name in more[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    # Building the package needs no other file.
    assert {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]} <= set(copied)
    (run,) = (line for line in lines if line[0] == "RUN")
    assert run[1:4] == ["pip", "install", "--no-cache-dir"]
    assert run[6:9] == ["-c", "/source/constraints.txt", "/source"]
    assert ["ENTRYPOINT", "[invprior]"] in lines


def test_the_files_of_services_are_read_and_name_what_exists():
    yaml = pytest.importorskip("yaml")
    names = (".github/workflows/check.yml", ".github/ISSUE_TEMPLATE/bug.yml",
             ".github/ISSUE_TEMPLATE/feature.yml", ".pre-commit-config.yaml")  # fmt: skip
    flow, *_, hooks = (yaml.safe_load((ROOT / name).read_text()) for name in names)
    assert set(flow["jobs"]["check"]["strategy"]["matrix"]["python"]) == {"3.11", "3.13"}
    commands = [s["run"] for job in flow["jobs"].values() for s in job["steps"] if "run" in s]
    assert ".ci/run" in commands
    assert "${PYTHON:-python3.11}" in (ROOT / ".ci/run").read_text()  # which the workflow sets
    entries = {hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]}
    assert {"ruff check --fix", "ruff format", "mypy", "lint-imports"} == entries
