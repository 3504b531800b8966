"""`invprior check`: a table of verdicts, and an exit code for scripts."""

import json
import sys

import pytest

from invprior.cli.check import report

MODULE = """
from invprior import LinearOperator, Penalty

class Doubled(LinearOperator):
    def forward(self, x):
        return x
    def adjoint(self, y):
        return 2 * y
    def norm(self):
        return 1.0

class Fine(Penalty):
    def value(self, x):
        return 0.5 * x.square().flatten(1).sum(1)

fine = Fine()
number = 3
"""


@pytest.fixture(autouse=True)
def own_module(folder, monkeypatch):
    """mine.py in the current folder, which only this test can import."""
    (folder / "mine.py").write_text(MODULE)
    (folder / "broken.py").write_text("import nothing_of_this_name")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.setenv("COLUMNS", "160")
    yield
    for name in ("mine", "broken"):
        sys.modules.pop(name, None)


@pytest.fixture
def in_process(monkeypatch):
    """Run the checks in this process, which has torch imported."""
    monkeypatch.setattr(
        "invprior.cli.check.outcomes", lambda function, items: [(report(i), None) for i in items]
    )


@pytest.mark.usefixtures("in_process")
def test_a_registered_plugin_with_options(run):
    out = run("check", "prior", "tikhonov:order=0").stdout
    assert out.startswith("prior tikhonov\n")
    assert "All checks passed." in out
    assert any(line.split()[:2] == ["prox", "pass"] for line in out.splitlines())


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("target", ["mine:Fine", "mine:fine"])
def test_a_class_or_an_object_in_a_module_of_the_current_folder(run, target):
    assert "All checks passed." in run("check", target).stdout


def test_a_fault_is_reported_with_exit_code_1(run):
    out = run("check", "mine:Doubled", code=1).stdout
    assert "the adjoint is scaled by 2, should be 1" in out
    assert "checks failed." in out


@pytest.mark.usefixtures("in_process")
def test_json(run):
    report = json.loads(run("check", "mine:Doubled", "--json", code=1).stdout)
    verdicts = {v["check"]: v for v in report["verdicts"]}
    assert (report["subject"], report["ok"]) == ("operator doubled", False)
    assert verdicts["adjoint"]["outcome"] == "fail"
    assert verdicts["linearity"]["outcome"] == "pass"


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["prior", "tikonov"], 'did you mean "tikhonov"?'),
        (["pior", "tv"], 'Unknown kind "pior"'),
        (["prior", "tv:gap=2"], "gap"),
        (["prior"], 'must be a kind and a name, as in "prior tv", or module:Object; got "prior"'),
        (["nowhere:Thing"], "Cannot import nowhere:Thing: No module named 'nowhere'"),
        (["broken:Thing"], "No module named 'nothing_of_this_name'"),
        (["mine:Nothing"], "Cannot find mine:Nothing"),
        (["mine:number"], "What is checked must be a plugin"),
    ],
)
def test_bad_input_is_refused(refused, folder, monkeypatch, arguments, expected):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert expected in refused("check", *arguments)


def test_a_module_that_ends_its_process_is_one_message(folder, refused):
    (folder / "leaver.py").write_text("import os\nprint('bye', flush=True)\nos._exit(0)")
    told = refused("check", "leaver:Thing")
    assert 'The check of "leaver:Thing" did not come to its end' in told
    assert "exit code 0; it last printed: bye" in told
