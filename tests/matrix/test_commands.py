"""`invprior matrix` and `invprior reproduce`, called in this process; cells have their own."""

import fcntl
import json
import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from invprior.cli import matrix_only
from invprior.cli.app import app
from invprior.io import sealed
from invprior.matrix.config.matrix import parse
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
    output = f"{result.stdout}\n{result.stderr}"
    assert result.exception is None or isinstance(result.exception, SystemExit), output
    assert result.exit_code == code, output
    return output


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

    assert "sample:camera:16" in call("matrix", "explain", "tikhonov:weight=30", "out")
    assert "Nothing has changed since" in call(
        "matrix", "explain", "denoise tikhonov:weight=30", "out"
    )
    assert "matches 3 cells" in call("matrix", "explain", "denoise", "out", code=2)
    name = next(n for n in before if n.endswith(".json"))
    assert "It matches: to the last bit" in call("reproduce", f"out/records/{name}")
    assert records().keys() >= before.keys()


def test_a_failed_cell_ends_with_code_1_its_reason_and_its_replay(folder):
    text = SMALL.replace('"tv:weight=8"', '"nobody/tv"')
    (folder / "small.toml").write_text(text)
    output = run(code=1)
    assert "missing-package: sample:camera:16, denoise, nobody/tv, seed 0" in output
    assert "Replay: invprior reproduce out/records/" in output
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


def test_a_record_of_other_code_is_shown_and_made_again_on_request():
    run("--only", "prior=tv*")
    (key,) = (n.removesuffix(".json") for n in records() if n.endswith(".json"))
    old = Store.open(record.Path("out")).records()[key]
    path = altered(key, versions={**old.versions, "code": "older"})
    output = run("--only", "prior=tv*")
    assert "1 records are stale" in output
    assert "code was older" in output
    assert "code was older" in call("matrix", "explain", key, "out")
    assert "code was older" in call("reproduce", path)  # matches all the same
    run("--only", "prior=tv*", "--refresh")
    assert "stale" not in call("matrix", "status", "out")


def test_a_record_with_other_options_is_set_aside_and_explained(folder):
    run()
    (folder / "small.toml").write_text(SMALL + "[protocol]\nrounded = true\n")
    store = sealed.read(folder / "out/matrix.json")
    store["text"] = (folder / "small.toml").read_text()
    sealed.write(folder / "out/matrix.json", store)
    assert "protocol.rounded was False and is True" in call("matrix", "explain", "tikhonov", "out")
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
def test_patterns_of_one_axis_add_up_and_several_axes_must_all_match(only, left, folder):
    text = SMALL.replace('"tv:weight=8"', '{label = "TV", prior = "tv:weight=8"}, "none"')
    matrix = parse("small", f"{text}seeds = [0, 1]\n")
    found = matrix_only.select(list(jobs(matrix, Setting(data="."), folder)), only)
    assert sorted(f"{job.cell.method} {job.cell.seed}" for job in found) == left


def test_a_result_that_differs_is_reported(folder):
    run("--only", "prior=tv*")
    (path,) = (folder / "out/records").glob("*.json")
    altered(path.stem, metrics={"psnr": 1.0}, result_sha256="0", steps=1)
    output = call("reproduce", path, code=1)
    assert "It does not match" in output
    assert "psnr was 1 and is" in output
    assert "it took 1 steps" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nothing.toml"], "Name a .toml file"),
        (["run", "small.toml", "--only", "piror=x"], 'did you mean "prior"'),
        (["run", "small.toml", "--only", "prior=x"], "No cell matches"),
        (["run", "small.toml", "--only", "prior!=x"], "No cell matches"),
        (["run", "small.toml", "--only", "prior!=*"], "No cell is left"),
        (["run", "small.toml", "--data", "nowhere"], "must exist"),
        (["run", "paper-denoising", "-o", "out"], "--data DIR"),
        (["run", "small.toml", "-o", "."], "is not empty"),
        (["run", "small.toml", "-o", "/"], "root"),
        (["run", "small.toml", "--data", "x" * 300], "at most 255 bytes"),
        (["merge", "nowhere", "--into", "new"], "is no folder of results of a matrix"),
        (["regression", "x" * 300, "nowhere"], "at most 255 bytes"),
        (["status", "nowhere"], "is no folder of results of a matrix"),
    ],
)
def test_wrong_arguments_are_refused_with_the_remedy(arguments, message):
    output = call("matrix", *arguments, code=2)
    assert message in " ".join(output.split())
    assert "Traceback" not in output


def test_a_run_that_is_refused_changes_nothing(folder):
    run("--only", "prior=tv*")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    (folder / "small.toml").write_text(SMALL.replace("0.05", "0.1"))
    before[folder / "small.toml"] = (folder / "small.toml").read_bytes()
    assert "No cell matches" in run("--only", "prior=x", code=2)
    with (folder / ".out.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as another process holds it
        assert "Another run writes to" in run(code=2)
    (folder / ".out.lock").unlink()
    run("--data", "nowhere", code=2)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    call("matrix", "run", "small.toml", "-o", "a/new", "--only", "prior=x", code=2)
    assert not (folder / "a").exists()


def test_damaged_records_and_images_are_named_and_made_again(folder):
    run()
    before = records()
    one, two = sorted((folder / "out/records").glob("*.json"))
    one.write_text(one.read_text().replace('"psnr": ', '"psnr": 9'))
    image = two.with_suffix(".png")
    image.write_bytes(image.read_bytes()[:-9])
    (truth,) = {json.loads(p.read_text())["truth"] for p in (two,)}
    (folder / "out/records/.x.json.0123abcd.tmp").write_text("half")
    (folder / "out/.matrix.json.0123abcd.tmp").write_text("half")
    told = call("matrix", "status", "out")
    assert f"{one.name}: This record cannot be read: its content does not match" in told
    assert f"{image.name} has been changed" in told
    call("matrix", "report", "out")
    page = (folder / "out/report.html").read_text()
    assert "its content does not match its checksum" in page
    assert f"{image.name} has been changed" in page
    assert "Damaged, so a run computes it again" in run()
    assert records().keys() == before.keys()
    assert records()[image.name] == before[image.name]
    (folder / "out/images" / truth).write_bytes(b"")
    assert "[2/2]" in run()  # both need it
    assert "Damaged" not in call("matrix", "status", "out")
    assert not list((folder / "out").rglob("*.tmp"))


def test_old_names_of_commands_work_and_name_the_new_ones():
    run("--only", "prior=tv*")
    output = call("matrix", "why", "tv", "out")
    assert '"invprior matrix why" is deprecated. Use "invprior matrix explain".' in output
    assert call("matrix", "explain", "tv", "out").strip() in output
    output = call("matrix", "gate", "out", "out", "--all")
    assert '"invprior matrix gate" is deprecated. Use "invprior matrix regression".' in output
    assert "rows compared" in output
    shown = call("matrix", "--help")
    assert "regression" in shown
    assert not re.search(r"^\W*(why|gate) ", shown, re.M)


def test_old_words_of_files_and_options_work_and_are_noted(folder):
    (folder / "small.toml").write_text(SMALL.replace("images", "pictures"))
    output = run("--only", "picture=sample:camera*", "--only", "prior=tv*")
    assert (
        'the key "pictures" is deprecated, and the next release refuses it; write "images".'
        in output
    )
    assert "--only: picture=sample:camera* is deprecated" in output
    assert "write image=sample:camera*" in output
    assert len(Store.open(folder / "out").records()) == 1
    assert "deprecated" not in call("matrix", "status", "out")
