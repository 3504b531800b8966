"""Broken packages harm only who asks for them; each is told of by what is wrong with it."""

import json
import os
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

import invprior
from invprior import OptionError, Penalty, registry
from invprior.cli.app import app
from invprior.cli.plugins import trouble
from invprior.errors import PluginError
from invprior.registry.signatures import fault_of
from tests.packages import BROKEN, OPERATOR, PRIOR, install_broken

NAMES = sorted(BROKEN)


@pytest.fixture
def broken(packages, monkeypatch):
    """All of them installed, beside a healthy package."""
    monkeypatch.setenv("COLUMNS", "300")
    packages.prior("fine", "fine_module:Mine", package="fine", fine_module=PRIOR)
    install_broken(packages)
    return packages


def command(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def option_for(name):
    return {"operators": "--operator", "priors": "--prior"}[BROKEN[name][0]["group"]]


def row(text, name):
    (found,) = [line for line in text.splitlines() if name in line.split()[:4]]
    return found


@pytest.fixture
def in_process(monkeypatch):
    """Let `plugins --check` load plugins in this process, which has torch imported."""

    def called(function, items, seconds):
        return [(trouble(item), None) for item in items]

    monkeypatch.setattr("invprior.cli.plugins.outcomes", called)


def test_there_are_ten():
    assert len(BROKEN) == 10


def test_each_is_one_row_in_the_list(broken):
    listed = command("list").stdout
    for name in [*NAMES, "fine"]:
        assert f"{name} 1.0" in row(listed, name)
    assert "broken: no module named no_such_module" in row(listed, "bad-nowhere")
    assert "broken: it requires invprior>=99" in row(listed, "bad-newer")
    assert "A penalty of my own." in row(listed, "fine")
    assert not [m for m in sys.modules if m.startswith("bad_")]


@pytest.mark.usefixtures("in_process")
def test_the_check_says_what_is_wrong_with_each(broken):
    result = command("plugins", "--check", "--json")
    assert result.exit_code == 1
    rows = {row["package"]: row for row in json.loads(result.stdout)}
    for name in NAMES:
        assert (rows[name]["state"], rows[name]["version"]) == ("broken", "1.0")
        assert BROKEN[name][1] in rows[name]["reason"]
    assert {row["state"] for row in rows.values()} == {"ok", "broken"}
    assert rows["fine"]["state"] == rows["invprior"]["state"] == "ok"


@pytest.mark.parametrize("name", NAMES)
def test_asked_for_it_is_one_clear_error(broken, name, tmp_path):
    output = tmp_path / "out"
    arguments = ("sample:camera:16", option_for(name), name, "-o", str(output))
    result = command("solve", *arguments)
    assert result.exit_code == 2
    assert [line[:6] for line in result.stderr.splitlines()] == ["Error "]
    assert BROKEN[name][1] in result.stderr
    assert f"({name} 1.0)" in result.stderr
    assert f"Update or uninstall {name}, or choose another" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert not output.exists()


def test_healthy_pieces_give_the_same_bits(broken):
    y = torch.rand((1, 1, 12, 12), generator=torch.Generator().manual_seed(0))
    with_them = invprior.solve(y, prior="tv + fine:weight=0.1", steps=3)
    own = registry.load(registry.find("priors", "fine"))
    alone = invprior.solve(y, prior=invprior.Prior(()) + _tv() + 0.1 * own(), steps=3)
    assert torch.equal(with_them.x, alone.x)
    assert with_them.provenance["plugins"] == {"fine": "1.0"}


def _tv():
    return registry.create("priors", "tv")


def test_the_program_itself_starts_and_solves(broken, tmp_path):
    """In a process of its own, as a user has it: nothing on stderr, and nothing of theirs imported."""
    code = "import sys; from invprior.cli import main; main()"
    environment = os.environ | {"PYTHONPATH": str(broken.folder), "OMP_NUM_THREADS": "1"}
    arguments = ["solve", "sample:camera:16", "--prior", "fine", "-o", "x.png"]
    arguments += ["--stop", "max-steps:steps=2"]
    for words in (["list"], [*arguments, "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "x.png").exists()


def test_plugins_without_check_reads_metadata_only(broken):
    result = command("plugins")
    assert result.exit_code == 0
    assert "built in" in row(result.stdout, "invprior")
    assert row(result.stdout, "bad-import").rstrip().endswith("ok")
    assert "broken: no module named no_such_module" in row(result.stdout, "bad-nowhere")
    assert "Faulty: 2 of " in result.stdout
    assert not [m for m in sys.modules if m.startswith("bad_")]


def test_a_plugin_that_ends_its_process_is_broken_and_the_rest_is_checked(packages):
    for name, does in (
        ("leaver", "os._exit(0)"),
        ("segfault", "os.kill(os.getpid(), signal.SIGSEGV)"),
        ("zlast", "print('loaded')"),
    ):
        source = f"import os, signal\n{does}\n{PRIOR}"
        packages.prior(name, f"{name}_mod:Mine", package=name, **{f"{name}_mod": source})
    result = command("plugins", "--check", "--json")
    assert result.exit_code == 1
    rows = {row["package"]: row for row in json.loads(result.stdout)}
    assert "exit code 0" in rows["leaver"]["reason"]
    assert "SIGSEGV" in rows["segfault"]["reason"]
    assert rows["zlast"]["state"] == rows["invprior"]["state"] == "ok"


@pytest.mark.usefixtures("in_process")
def test_a_clash_is_a_row_and_an_error(packages, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    packages.prior("tv", "over:Mine", package="over", over=PRIOR)
    packages.prior("mine", "one_mod:Mine", package="one", one_mod=PRIOR)
    packages.prior("mine", "two_mod:Mine", package="two", two_mod=PRIOR)
    result = command("plugins", "--check")
    assert result.exit_code == 1
    assert "clash: invprior also provides this name; write over/tv" in row(result.stdout, "over")
    assert "clash: two also provides this name; write one/mine" in row(result.stdout, "one")
    assert "clash: one also provides this name; write two/mine" in row(result.stdout, "two")
    solved = command("solve", "sample:camera:16", "--prior", "mine")
    assert solved.exit_code == 2
    assert "provided by one and two. Write one/mine or two/mine" in solved.stderr


def test_a_broken_package_takes_no_name_from_a_healthy_one(packages):
    packages.prior("mine", "nowhere_at_all:Mine", package="aaa")
    packages.prior("mine", "one_mod:Mine", package="one", one_mod=PRIOR)
    assert registry.find("priors", "mine").package == "one"
    assert "ok" in row(command("plugins").stdout, "one")


@pytest.mark.parametrize(
    ("requires", "good"),
    [
        ("invprior", True),
        ("invprior>=0.0.1", True),
        ("invprior (>=99)", False),
        ("invprior>=0.0.1, <99.0", True),
        ("invprior>=0.0.1,<0.1", False),
        ("invprior==0.0.1", False),
        ("Invprior[extra]<0.0.1", False),
        ('invprior>=99; extra == "more"', True),
        ("invprior-tools>=99", True),
        ("invprior >= not a version", True),
    ],
)
def test_the_release_that_a_package_is_made_for(packages, requires, good):
    packages.add(
        "acme",
        "[invprior.priors]\nmine = acme_mod:Mine\n",
        metadata=f"Requires-Dist: {requires}\n\nRequires-Dist: invprior>=99 in a README",
        acme_mod=PRIOR,
    )
    (entry,) = [e for e in registry.entries("priors") if e.package == "acme"]
    assert (entry.fault is None) is good


def test_an_import_hook_that_fails_is_told(packages, monkeypatch):
    class Hook:
        def find_spec(self, name, path=None, target=None):
            if name == "acme_hooked":
                raise RuntimeError("hook")

    monkeypatch.setattr(sys, "meta_path", [Hook(), *sys.meta_path])
    entry = packages.prior("mine", "acme_hooked:Mine")
    assert entry.fault == "the search for the module acme_hooked fails with RuntimeError: hook"
    assert registry.summary(entry) == ""


def test_what_a_module_prints_spoils_no_json(packages):
    packages.prior("loud", "loud_mod:Mine", package="loud", loud_mod="print('hello')\n" + PRIOR)
    result = command("plugins", "--check", "--json")
    assert "loud" in {row["name"] for row in json.loads(result.stdout)}
    assert "hello" in result.stderr


def test_an_own_operator_keeps_its_own_error():
    from invprior.operators.base import LinearOperator, Recipe

    class Own(LinearOperator):
        def __init__(self, image_shape):
            raise ZeroDivisionError("mine")

        def forward(self, x):
            return x

    with pytest.raises(ZeroDivisionError, match="mine"):
        Recipe(Own)((1, 2, 2))


def test_a_crash_inside_a_chain_is_blamed_on_the_right_package(packages):
    source = OPERATOR.replace("super().__init__(image_shape)", "raise OSError('no file')")
    packages.add("acme", "[invprior.operators]\nbad = acme_op:Mine\n", acme_op=source)
    chain = registry.create("operators", "compose:operators=[blur, bad]")
    with pytest.raises(PluginError, match=r'"bad" is broken: .*OSError: no file \(acme 1\.0\)'):
        chain((1, 8, 8))


@pytest.mark.parametrize("entry", registry.entries(), ids=lambda e: f"{e.group}-{e.name}")
def test_invprior_calls_its_own_as_it_calls_others(entry):
    assert fault_of(registry.load(entry)) is None


def test_a_plugin_without_its_base_or_its_methods_is_refused(packages):
    for name, source, said in (
        (
            "half",
            "from invprior import Penalty\nclass Mine(Penalty): ...",
            "Mine must define value",
        ),
        (
            "alone",
            "from invprior.registry.plugin import Plugin\n"
            "class Mine(metaclass=Plugin): plugin_group = 'priors'",
            "Mine is not derived from invprior's base class",
        ),
    ):
        packages.prior(name, f"{name}_mod:Mine", package=name, **{f"{name}_mod": source})
        with pytest.raises(PluginError, match=said):
            registry.create("priors", name)
    packages.add(
        "sizeless",
        "[invprior.operators]\nsizeless = sizeless_mod:Mine\n",
        sizeless_mod=OPERATOR.replace("(self, image_shape):", "(self):").replace(
            "super().__init__(image_shape)", "super().__init__((1, 8, 8))"
        ),
    )
    with pytest.raises(PluginError, match="the constructor of Mine must take image_shape first"):
        registry.create("operators", "sizeless")


def test_a_hook_under_its_old_name_is_refused():
    """It would be ignored: FISTA would then take the prior for one that is not smooth."""

    class Old(Penalty):
        def value(self, x):
            return x.square().flatten(1).sum(1) / 2

        def curvature(self):
            return 1.0

    with pytest.raises(OptionError, match="Old defines curvature, which is now lipschitz"):
        Old()
