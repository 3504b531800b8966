"""Discovery: fake packages in a temporary folder on sys.path."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from invprior import registry
from invprior.errors import OptionError, PluginError
from invprior.operators.base import Recipe
from invprior.registry.spec import Spec, parse
from invprior.solvers.fista import FISTA
from tests.packages import PRIOR, Packages


def rows(package):
    return [e for e in registry.entries() if e.package == package]


def test_listing_imports_nothing_and_is_in_order(packages):
    packages.add(
        "zeta", "[invprior.priors]\nbb = boom:B\naa = boom:A\n", boom="raise SystemExit('imported')"
    )
    packages.add(
        "Acme_Tools",
        "[invprior.solvers]\nss = boom:S\n[invprior.priors]\nbb = boom:B\n[other]\nx = y\n",
    )
    listed = registry.entries()
    assert "boom" not in sys.modules
    keys = [
        (list(registry.GROUPS).index(e.group), e.package != "invprior", e.name, e.package)
        for e in listed
    ]
    assert keys == sorted(keys)
    foreign = [e.full_name for e in listed if e.package != "invprior"]
    assert [n for n in foreign if n.startswith(("zeta", "acme"))] == [
        "zeta/aa",
        "acme-tools/bb",
        "zeta/bb",
        "acme-tools/ss",
    ]
    assert {e.fault for e in listed if e.package in ("zeta", "acme-tools")} == {None}
    assert "boom" not in sys.modules


def test_groups_are_listed_by_themselves():
    assert {e.group for e in registry.entries("priors")} == {"priors"}
    assert {e.group for e in registry.entries()} == set(registry.GROUPS)


def test_a_plugin_is_found_loaded_and_made(packages):
    entry = packages.prior("mine", "acme_priors.own:Mine [extra]", acme_priors__own=PRIOR)
    assert entry.target == "acme_priors.own:Mine"
    assert (entry.version, entry.origin, entry.fault) == ("1.0", "acme 1.0", None)
    assert registry.summary(entry) == "A penalty of my own."
    assert not any(m.startswith("acme_priors") for m in sys.modules)
    made = registry.create("priors", "mine:power=3")
    assert made.power == 3.0
    assert registry.create("priors", Spec("acme/mine"), power=4).power == 4.0
    with pytest.raises(OptionError, match='mine has no option "powr"'):
        registry.create("priors", "mine:powr=3")
    text = str(registry.describe(made))
    assert text == "acme/mine:power=3.0"
    assert registry.create("priors", text).power == 3.0


def test_a_re_exported_class_is_recognised(packages):
    packages.prior(
        "mine", "acme_front:Mine", acme_front="from acme_back import Mine", acme_back=PRIOR
    )
    made = registry.create("priors", "mine")
    assert type(made).__module__ == "acme_back"
    assert registry.describe(made).name == "acme/mine"
    assert registry.entry_of(type(made)).origin == "acme 1.0"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("no such target", 'the entry point "no such target" must read module:Class'),
        ("acme_module", 'the entry point "acme_module" must read module:Class'),
        ("", 'the entry point "" must read module:Class'),
        ("acme_nowhere.x:Mine", "no module named acme_nowhere"),
    ],
)
def test_a_faulty_entry_is_a_broken_row_and_fails_only_when_used(packages, target, reason):
    packages.add(
        "acme", f"[invprior.priors]\nbad = {target}\ngood = acme_good:Mine\n", acme_good=PRIOR
    )
    bad, good = rows("acme")
    assert bad.fault == reason
    assert good.fault is None
    assert registry.create("priors", "good").power == 2.0
    assert registry.summary(bad) == ""
    with pytest.raises(PluginError) as caught:
        registry.create("priors", "bad")
    assert f'The prior "bad" is broken: {reason} (acme 1.0). Update or uninstall acme' in str(
        caught.value
    )


@pytest.mark.parametrize(
    "text",
    [
        "[invprior.priors\nx = y:z\n",
        "[invprior.priors]\nx = a:B\nx = a:C\n",
        "[invprior.priors]\nno value\n",
        "x = y:z\n[invprior.priors]\n",
    ],
)
def test_an_unreadable_file_is_a_broken_row(packages, text):
    packages.add("acme", text)
    packages.add("fine", "[invprior.priors]\nfine = fine_mod:Mine\n", fine_mod=PRIOR)
    (row,) = rows("acme")
    assert (row.group, row.name, row.version) == ("priors", "acme", "1.0")
    assert row.fault.startswith("entry_points.txt cannot be read: ")
    assert "\n" not in row.fault
    assert registry.create("priors", "fine").power == 2.0
    with pytest.raises(PluginError, match=r"cannot be read.*acme 1\.0"):
        registry.create("priors", "acme")


def test_a_file_in_another_encoding_breaks_only_its_own_rows(packages):
    packages.add(
        "acme",
        "[invprior.priors]\nbad = m\xfcll:Mine\ngood = acme_good:Mine\n".encode("latin-1"),
        acme_good=PRIOR,
    )
    assert [e.fault is None for e in rows("acme")] == [False, True]


def test_foreign_files_that_name_no_group_are_not_even_read(packages):
    packages.add("acme", "[console_scripts\nbroken")
    assert rows("acme") == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "import torch_but_not_quite",
            "ModuleNotFoundError: No module named 'torch_but_not_quite'",
        ),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def f(:", "SyntaxError: "),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("", "AttributeError: module 'acme_bad' has no attribute 'Mine'"),
        ("Mine = 3", "acme_bad:Mine is not a prior class; derive it from invprior's base class"),
        ("class Mine: ...", "acme_bad:Mine is not a prior class"),
        ("from invprior.solvers.fista import FISTA as Mine", "acme_bad:Mine is not a prior class"),
        (
            "import invprior.problem.functionals as f; Mine = f.as_prior",
            "acme_bad:Mine is not a prior class",
        ),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_named_with_its_package(packages, source, reason):
    packages.add(
        "acme",
        "[invprior.priors]\nbad = acme_bad:Mine\ngood = acme_good:Mine\n",
        acme_bad=source,
        acme_good=PRIOR,
    )
    assert [e.fault for e in rows("acme")] == [None, None]
    with pytest.raises(PluginError) as caught:
        registry.create("priors", "bad")
    assert f'The prior "bad" is broken: {reason}' in str(caught.value)
    assert "(acme 1.0)" in str(caught.value)
    assert registry.create("priors", "good").power == 2.0
    assert registry.create("solvers", "fista") == FISTA()


def test_the_article_fits_the_kind(packages):
    packages.add("acme", "[invprior.operators]\nbad = acme_bad:Mine\n", acme_bad="Mine = 1")
    with pytest.raises(PluginError, match="is not an operator class"):
        registry.create("operators", "bad")


@pytest.mark.parametrize(
    "crash", ["raise RuntimeError('no weights')", "raise SystemExit('no weights')"]
)
def test_a_constructor_that_crashes_is_named_with_its_package(packages, crash):
    packages.prior("bad", "acme_bad:Mine", acme_bad=PRIOR.replace("super().__init__()", crash))
    with pytest.raises(PluginError, match=r"constructor failed with \w+: no weights \(acme 1.0\)"):
        registry.create("priors", "bad")


def test_a_name_held_by_two_packages_must_be_spelt_out(packages):
    packages.prior("mine", "one_mod:Mine", package="one", one_mod=PRIOR)
    packages.prior("mine", "two_mod:Mine", package="two", two_mod=PRIOR.replace("2.0", "5.0"))
    with pytest.raises(
        PluginError,
        match=r'"mine" is ambiguous: provided by one and two\. Write one/mine or two/mine',
    ):
        registry.create("priors", "mine")
    assert registry.create("priors", "one/mine").power == 2.0
    assert registry.create("priors", "two/mine").power == 5.0
    with pytest.raises(
        PluginError, match=r'Unknown prior "two/mien" \(did you mean "two/mine"\?\)'
    ):
        registry.create("priors", "two/mien")


def test_a_core_name_stays_invpriors_and_the_other_is_reached_by_its_package(packages):
    entry = packages.prior("tv", "acme_tv:Mine", acme_tv=PRIOR)
    assert registry.find("priors", "tv").package == "invprior"
    assert registry.find("priors", "invprior/tv").package == "invprior"
    assert registry.find("priors", "acme/tv") == entry
    assert registry.create("priors", "acme/tv").power == 2.0


def test_an_unknown_name_gets_the_nearest_and_all(packages):
    with pytest.raises(PluginError) as caught:
        registry.find("priors", "tikonov")
    assert 'Unknown prior "tikonov" (did you mean "tikhonov"?). Known: box, dip, ' in str(
        caught.value
    )


def test_the_first_of_two_installations_counts(packages, monkeypatch):
    packages.add("acme", "[invprior.priors]\nold = m:M\n")
    first = packages.folder / "first"
    first.mkdir()
    monkeypatch.syspath_prepend(first)
    Packages(first).add("Acme", "[invprior.priors]\nnew = m:M\n", version="2.0")
    assert [e.name for e in rows("acme")] == ["new"]


def test_a_package_installed_in_place_has_its_version(packages):
    packages.add("acme", "[invprior.priors]\nx = m:M\n", version="", kind="egg-info")
    (packages.folder / "acme.egg-info" / "PKG-INFO").write_text(
        "Metadata-Version: 2.1\nName: acme\nVersion: 3.1\n"
    )
    assert rows("acme")[0].version == "3.1"


def test_a_package_without_any_version_is_listed(packages):
    packages.add("acme", "[invprior.priors]\nx = m:M\n", version="", kind="egg-info")
    assert "unknown version" in rows("acme")[0].version


def test_summary_reads_packages_and_gives_up_quietly(packages):
    packages.add(
        "acme",
        "[invprior.priors]\na = acme_pack:Mine\nb = acme_pack:Absent\n"
        "c = acme_pack.gone:Mine\nd = acme_syntax:Mine\n",
        acme_pack__other=PRIOR,
        acme_syntax="def f(:",
    )
    (packages.folder / "acme_pack" / "__init__.py").write_text(PRIOR)
    assert [registry.summary(e) for e in rows("acme")] == ["A penalty of my own.", "", "", ""]
    assert "acme_pack" not in sys.modules


def test_describe_fills_in_every_option():
    assert registry.describe(FISTA()) == parse("fista:restart=true,momentum=true,force=false")
    assert registry.create("solvers", registry.describe(FISTA(step_size=0.5))) == FISTA(
        step_size=0.5
    )


def test_describe_names_own_classes_by_module_and_class():
    from dataclasses import dataclass

    from invprior.stopping.base import StoppingRule

    @dataclass(frozen=True, kw_only=True)
    class Own(StoppingRule):
        inner: StoppingRule | None = None
        path: Path = Path("a.npy")
        mask: torch.Tensor | None = None
        sizes: tuple[int, ...] = (1, 2)

        def start(self, problem):
            raise NotImplementedError

    spec = registry.describe(Own(inner="max-steps:steps=3"))
    assert spec.name.startswith(f"{__name__}:")
    assert spec.name.endswith("Own")
    assert spec.options == {
        "inner": Spec("max-steps", {"steps": 3}),
        "path": "a.npy",
        "sizes": [1, 2],
    }
    one, two = (
        registry.describe(Own(mask=torch.full((3,), v))).options["mask"] for v in (1.0, 2.0)
    )
    assert one.startswith("sha256-")
    assert one != two


def test_describe_a_recipe():
    recipe = registry.create("operators", "blur:sigma=1.5")
    assert isinstance(recipe, Recipe)
    spec = registry.describe(recipe)
    assert spec.name == "blur"
    assert spec.options["sigma"] == 1.5
    assert len(spec.options) > 1
    assert registry.describe(registry.create("operators", spec)) == spec


@pytest.mark.parametrize("entry", registry.entries(), ids=lambda e: f"{e.group}-{e.name}")
def test_everything_registered_here_has_a_summary_and_loads(entry):
    if entry.package == "invprior":
        assert registry.summary(entry)
        assert registry.load(entry).plugin_group == entry.group


def test_listing_needs_neither_torch_nor_pydantic(tmp_path):
    code = (
        "import sys, time; began = time.perf_counter()\n"
        "import invprior; from invprior import registry\n"
        "listed = registry.entries(); [registry.summary(e) for e in listed]\n"
        "assert len(listed) > 20, listed\n"
        "plugins = {e.target.partition(':')[0] for e in listed}\n"
        "print(sorted(({'torch', 'numpy', 'scipy', 'pydantic'} | plugins) & set(sys.modules)))\n"
        "print(time.perf_counter() - began)\n"
    )
    folder = Path(registry.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=dict(os.environ),
    )
    found, seconds = done.stdout.splitlines()
    assert found == "[]"
    assert float(seconds) < 2.0  # 0.1 s on an idle machine
