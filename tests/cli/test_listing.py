"""`invprior list`, `describe` and `info`."""

import json

import pytest

from invprior import registry


def test_list(run):
    out = run("list").stdout
    for entry in registry.entries():
        assert entry.name in out
    assert "describe KIND NAME" in out


@pytest.mark.parametrize("kind", ["priors", "prior", "PRIORS"])
def test_list_one_kind(run, kind):
    out = run("list", kind).stdout
    assert "wavelet" in out
    assert "fista" not in out


def test_list_as_json(run):
    rows = json.loads(run("list", "--json").stdout)
    assert {(row["group"], row["name"]) for row in rows} >= {("priors", "tv"), ("solvers", "auto")}
    assert all(row["summary"] and row["package"] and row["version"] for row in rows)


def test_list_an_unknown_kind(refused):
    assert 'Unknown kind "prios" (did you mean "priors"?)' in refused("list", "prios")


def test_describe_a_prior(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    out = run("describe", "prior", "tv").stdout
    assert "invprior.priors.tv:TV" in out
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert rows["option"].split() == ["option", "type", "default", "meaning"]
    assert "float >= 0" in rows["weight"]
    assert "isotropic | anisotropic | vectorial" in rows["kind"]
    assert "float > 0, < 1" in rows["gap"]
    assert "0.0001" in rows["gap"]
    assert "Write tv:weight=..." in out


def test_describe_fills_the_terminal(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    lines = run("describe", "solver", "adam").stdout.splitlines()
    assert max(map(len, lines)) > 120


def test_describe_without_options(run):
    assert "It has no options." in run("describe", "operator", "denoise").stdout


@pytest.mark.parametrize("entry", registry.entries(), ids=lambda e: f"{e.group}-{e.name}")
def test_describe_everything(run, entry):
    assert entry.name in run("describe", entry.group, entry.name).stdout


def test_describe_as_json(run):
    tv = json.loads(run("describe", "prior", "tv", "--json").stdout)
    options = {option["name"]: option for option in tv["options"]}
    assert options["gap"]["default"] == 1e-4
    assert options["weight"]["default"] > 0
    assert not options["kind"]["required"]
    pnp = json.loads(run("describe", "prior", "pnp", "--json").stdout)
    assert pnp["options"][1]["name"] == "denoiser"
    assert isinstance(pnp["options"][1]["default"], str)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("prior", "tvv", 'did you mean "tv"?'),
        ("pior", "tv", 'did you mean "priors"?'),
        ("operator", "tv", 'Unknown operator "tv"'),
    ],
)
def test_describe_an_unknown_plugin(refused, kind, name, expected):
    assert expected in refused("describe", kind, name)


def test_info(run):
    assert "cpu" in run("info").stdout
    facts = json.loads(run("info", "--json").stdout)
    assert facts["torch"]
    assert facts["devices"][0] == "cpu"
    assert facts["threads"] >= 1
