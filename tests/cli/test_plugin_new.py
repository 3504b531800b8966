"""`invprior plugin new`: the packages work as written, and names that cannot work are refused."""

import os
import subprocess
import sys
import tomllib

import pytest

from invprior.registry import discovery


@pytest.fixture
def clean_modules():
    """Remove from `sys.modules` what a test imports from a new package."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("own_"):
            del sys.modules[name]


def names():
    return {group: f"own-{kind.replace(' ', '-')}" for group, kind in discovery.GROUPS.items()}


def test_a_package_of_every_kind_passes_its_own_test(run, folder):
    """Run one pytest over all packages, as a user would, with only the packages' own files."""
    for group, name in names().items():
        run("plugin", "new", group, name)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-W",
            "error",
            "-p",
            "no:cacheprovider",
            *names().values(),
        ],
        capture_output=True,
        text=True,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(str(folder / name) for name in names().values())},
    )
    assert done.returncode == 0, done.stdout
    for name in names().values():
        assert (folder / name / "README.md").read_text().startswith(f"# {name}\n")


def test_a_kind_may_be_named_in_short(run, folder):
    run("plugin", "new", "weight", "own-rule")
    project = tomllib.loads((folder / "own-rule/pyproject.toml").read_text())
    assert list(project["project"]["entry-points"]) == ["invprior.weights"]


@pytest.mark.parametrize(("group", "name"), names().items())
def test_its_metadata_registers_the_class(run, folder, monkeypatch, clean_modules, group, name):
    run("plugin", "new", group, name, "--into", "elsewhere")
    project = tomllib.loads((folder / "elsewhere" / "pyproject.toml").read_text())
    module = name.replace("-", "_")
    cls = "".join(part.capitalize() for part in name.split("-"))
    assert project["project"]["entry-points"] == {f"invprior.{group}": {name: f"{module}:{cls}"}}
    assert project["tool"]["setuptools"]["py-modules"] == [module]
    source = (folder / "elsewhere" / f"{module}.py").read_text()
    assert "Mine" not in source
    assert '"mine"' not in source
    monkeypatch.syspath_prepend(folder / "elsewhere")
    assert getattr(__import__(module), cls).plugin_group == group


def test_it_prints_the_next_commands(run, folder):
    output = run("plugin", "new", "stopping rule", "own-rule").stdout
    assert "Wrote own-rule" in output
    assert "pip install -e 'own-rule[test]'" in output
    assert "invprior check stopping-rule own-rule" in output
    assert sorted(p.name for p in folder.iterdir()) == ["own-rule"]
    assert (folder / "own-rule").stat().st_mode & 0o500 == 0o500


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My-prior", "lower-case words joined by hyphens"),
        ("my_prior", "lower-case words joined by hyphens"),
        ("../x", "lower-case words joined by hyphens"),
        ("3d", "lower-case words joined by hyphens"),
        ("tv", 'prior name "tv" is provided by invprior'),
        ("json", '"json" is taken'),
        ("lambda", '"lambda" is taken'),
        ("tests", '"tests" is taken'),
        ("penalty", "would be Penalty, a name that its module needs"),
    ],
)
def test_an_unsuitable_name_is_refused(refused, name, message):
    assert message in refused("plugin", "new", "prior", name)


def test_nothing_is_overwritten(refused, folder):
    (folder / "own-prior").mkdir()
    (folder / "own-prior" / "thesis.txt").write_text("years of work")
    assert '"own-prior" exists already' in refused("plugin", "new", "prior", "own-prior")
    (folder / "link").symlink_to("nowhere")
    assert "exists already" in refused("plugin", "new", "prior", "own-prior", "--into", "link")
    assert "does not exist" in refused("plugin", "new", "prior", "own-prior", "--into", "no/where")


def test_an_unknown_kind_is_refused(refused):
    assert 'did you mean "priors"?' in refused("plugin", "new", "prios", "own-prior")
