"""A folder of results of an earlier release: every command refuses it, and changes nothing in it."""

import json

import pytest
from typer.testing import CliRunner

from invprior.cli.app import app
from invprior.matrix.results import record
from invprior.matrix.results.store import MATRIX
from tests.matrix.conftest import SMALL


@pytest.fixture
def old(made, computed, tmp_path, monkeypatch):
    """A folder of format 1 with one record, in the words of its release."""
    monkeypatch.chdir(tmp_path)
    store = made(SMALL, folder="old")
    computed(store, store.jobs()[:1])
    (store.folder / record.IMAGES).rename(store.folder / "pictures")
    values = json.loads((store.folder / MATRIX).read_text())
    del values["format"], values["sha256"]  # format 1 did not name itself, and had no checksum
    values["text"] = values["text"].replace("images", "pictures")
    (store.folder / MATRIX).write_text(json.dumps(values))
    (path,) = (store.folder / record.RECORDS).glob("*.json")
    older(path)
    (tmp_path / "small.toml").write_text(SMALL)
    return store.folder


def older(path):
    """Write a record as format 1 had it."""
    values = json.loads(path.read_text()) | {"format": 1}
    del values["sha256"]
    path.write_text(json.dumps(values).replace('"image"', '"picture"'))


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["matrix", "plan", "small.toml", "-o", "old"],
        ["matrix", "run", "small.toml", "-o", "old"],
        ["matrix", "status", "old"],
        ["matrix", "explain", "tv", "old"],
        ["matrix", "report", "old"],
        ["matrix", "merge", "old", "--into", "new"],
        ["matrix", "merge", "new", "--into", "old"],
        ["matrix", "regression", "old", "new"],
        ["matrix", "regression", "new", "old"],
        ["reproduce", "KEY"],
    ],
)
def test_it_is_refused_with_the_remedy(old, made, arguments):
    made(SMALL, folder="new")
    before = contents(old)
    (path,) = (old / record.RECORDS).glob("*.json")
    given = [str(path) if a == "KEY" else a for a in arguments]
    result = CliRunner().invoke(app, given, env={"COLUMNS": "300"})
    message = " ".join(result.stderr.split())
    assert (result.exit_code, result.exception.__class__) == (2, SystemExit), message
    assert "has format 1, and this release of invprior reads and writes format 3" in message
    assert "run the matrix again with another --output" in message
    assert contents(old) == before


def test_an_old_record_in_a_new_folder_is_never_replaced(made, computed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    store = made(SMALL, folder="mixed")
    computed(store, store.jobs()[:1])
    (path,) = (store.folder / record.RECORDS).glob("*.json")
    older(path)
    before = path.read_bytes()
    result = CliRunner().invoke(app, ["matrix", "run", "small.toml", "-o", "mixed"])
    assert result.exit_code == 2
    assert path.read_bytes() == before
