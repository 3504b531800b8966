"""`invprior matrix` and `invprior reproduce`, called in this process; cells have theirs."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from invprior.cli import matrix_run
from invprior.cli.app import app
from invprior.matrix.config import matrix as config
from invprior.matrix.results import record
from invprior.matrix.results.cells import Setting, jobs
from invprior.matrix.results.store import Store

from .conftest import SMALL

pytestmark = pytest.mark.usefixtures("warm")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    return tmp_path


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})
    said = f"{result.stdout}\n{result.stderr}"
    assert result.exception is None or isinstance(result.exception, SystemExit), said
    assert result.exit_code == code, said
    return said


def run(*more, code=0):
    return call("matrix", "run", "small.toml", "-o", "out", *more, code=code)


def records(folder="out"):
    from pathlib import Path

    return {p.name: p.read_bytes() for p in Path(folder, "records").iterdir()}


def test_from_plan_to_reproduction(folder):
    planned = call("matrix", "plan", "small.toml", "-o", "out")
    assert "2 cells, 2 to compute" in planned
    assert not (folder / "out").exists()

    assert "[2/2] ok: sample:camera:16" in run()
    before = records()
    assert len(before) == 4  # two records and two images

    assert "[1/" not in run()  # nothing is left to do
    assert records() == before
    assert "2 cells, 0 to compute" in call("matrix", "plan", "small.toml", "-o", "out")

    more = SMALL.replace('"tv:weight=8"', '"tv:weight=8", {simple = "measurement"}')
    (folder / "small.toml").write_text(more)
    assert "[1/1] ok" in run()
    assert before.items() <= records().items()  # a row more changes no byte of the others
    assert len(records()) == 6

    assert "sample:camera:16" in call("matrix", "why", "tikhonov:weight=30", "out")
    assert "Nothing has changed since" in call("matrix", "why", "denoise tikhonov:weight=30", "out")
    assert "means 3 cells" in call("matrix", "why", "denoise", "out", code=2)
    name = next(n for n in before if n.endswith(".json"))
    assert "It matches: to the last bit" in call("reproduce", f"out/records/{name}")
    assert records().keys() >= before.keys()


def test_a_failed_cell_ends_with_code_1_its_reason_and_its_replay(folder):
    text = SMALL.replace('"tv:weight=8"', '"nobody/tv"')
    (folder / "small.toml").write_text(text)
    said = run(code=1)
    assert "missing-package: sample:camera:16, denoise, nobody/tv, seed 0" in said
    assert "Replay: invprior reproduce out/records/" in said
    assert "missing-package" in call("matrix", "status", "out")
    assert "nobody" in call("matrix", "plan", "small.toml", "-o", "out")
    before = records()
    assert "[1/1]" not in run(code=1)  # it is not tried again by itself
    assert records() == before
    assert "[1/1] missing-package" in run("--retry", code=1)


def altered(key, **change):
    store = Store.open(record.Path("out"))
    old = store.records()[key]
    record.save(store.folder, replace(old, **change))
    return record.Path("out/records") / f"{key}.json"


def test_a_record_of_other_code_is_shown_and_made_again_on_demand():
    run("--only", "prior=tv*")
    (key,) = (n.removesuffix(".json") for n in records() if n.endswith(".json"))
    old = Store.open(record.Path("out")).records()[key]
    path = altered(key, versions={**old.versions, "code": "older"})
    said = run("--only", "prior=tv*")
    assert "1 records are stale" in said
    assert "code was older" in said
    assert "code was older" in call("matrix", "why", key, "out")
    assert "code was older" in call("reproduce", path)  # matches all the same
    run("--only", "prior=tv*", "--refresh")
    assert "stale" not in call("matrix", "status", "out")


def test_a_record_with_other_options_is_put_aside_and_explained(folder):
    run()
    (folder / "small.toml").write_text(SMALL + "[protocol]\nrounded = true\n")
    store = json.loads((folder / "out/matrix.json").read_text())
    store["text"] = (folder / "small.toml").read_text()
    (folder / "out/matrix.json").write_text(json.dumps(store))
    assert "protocol.rounded was False and is True" in call("matrix", "why", "tikhonov", "out")
    assert "2 records of these cells were made with other options" in call(
        "matrix", "status", "out"
    )
    assert "2 records of these cells" in run()
    assert len(list((folder / "out/superseded").glob("*.json"))) == 2
    assert len(Store.open(folder / "out").records()) == 2


def test_a_label_is_changed_without_computing(folder):
    run("--only", "prior=tv*")
    (folder / "small.toml").write_text(
        SMALL.replace('"tv:weight=8"', '{label = "TV", prior = "tv:weight=8"}')
    )
    assert "[1/" not in run("--only", "prior=TV")
    (only,) = Store.open(folder / "out").records().values()
    assert only.cell.method == "TV"


@pytest.mark.parametrize(
    ("only", "left"),
    [
        (["prior=tv*"], ["TV 0", "TV 1"]),
        (["prior=TV", "prior=none"], ["TV 0", "TV 1", "none 0", "none 1"]),
        (["prior!=t*"], ["none 0", "none 1"]),
        (["prior!=none", "prior!=TV", "seed=1"], ["tikhonov:weight=30 1"]),
        (["prior=t*", "seed!=0"], ["TV 1", "tikhonov:weight=30 1"]),
    ],
)
def test_patterns_of_one_axis_add_up_and_those_of_several_must_all_fit(only, left, folder):
    text = SMALL.replace('"tv:weight=8"', '{label = "TV", prior = "tv:weight=8"}, "none"')
    matrix = config.parse("small", f"{text}seeds = [0, 1]\n")
    found = matrix_run.selected(list(jobs(matrix, Setting(data="."), folder)), only)
    assert sorted(f"{job.cell.method} {job.cell.seed}" for job in found) == left


def test_a_damaged_record_is_made_again(folder):
    run("--only", "prior=tv*")
    before = records()
    (path,) = (folder / "out/records").glob("*.json")
    path.write_bytes(path.read_bytes()[:500])
    run("--only", "prior=tv*")
    assert (
        json.loads(path.read_text())["result_sha256"]
        == json.loads(before[path.name])["result_sha256"]
    )


def test_a_result_that_differs_is_told(folder):
    run("--only", "prior=tv*")
    (path,) = (folder / "out/records").glob("*.json")
    altered(path.stem, metrics={"psnr": 1.0}, result_sha256="0", steps=1)
    said = call("reproduce", path, code=1)
    assert "It does not match" in said
    assert "psnr was 1 and is" in said
    assert "it took 1 steps" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nothing.toml"], "Name a .toml file"),
        (["run", "small.toml", "--only", "piror=x"], 'did you mean "prior"'),
        (["run", "small.toml", "--only", "prior=x"], "No cell is met"),
        (["run", "small.toml", "--only", "prior!=x"], "No cell is met"),
        (["run", "small.toml", "--only", "prior!=*"], "No cell is left"),
        (["run", "small.toml", "--data", "nowhere"], "must exist"),
        (["run", "paper-denoising", "-o", "out"], "--data DIR"),
        (["run", "small.toml", "-o", "."], "is not empty"),
        (["status", "nowhere"], "holds no results of a matrix"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(arguments, said):
    told = call("matrix", *arguments, code=2)
    assert said in " ".join(told.split())
    assert "Traceback" not in told


def test_a_second_run_in_the_same_folder_is_refused(folder):
    run("--only", "prior=tv*")
    with Store.open(folder / "out").locked():
        assert "Another run works in" in run(code=2)
