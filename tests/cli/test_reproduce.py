"""`invprior reproduce` for records of `solve`."""

import json

import numpy as np

from invprior import samples
from invprior.io.save import save


def changed(path, **more):
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | more))
    return values


def test_a_run_gives_the_same_bits_again_and_writes_nothing(solve, run, y, folder, monkeypatch):
    solve(y, "--truth", y, "-o", "x.png", "--noise", "gaussian:sigma=0.1", "--range", 0, 255)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert run("reproduce", "../x.json").stdout == "It matches: to the last bit.\n"
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    history = json.loads(before[folder / "x.json"])["history"]
    assert history[0]["psnr"] > 10
    old = changed(folder / "x.json", steps=3, result_sha256="0")
    said = run("reproduce", "../x.json", code=1).stdout
    assert f"it took 3 steps and now takes {old['steps']}" in said
    other = {**old["provenance"], "device": "NVIDIA", "versions": {"torch": "1"}}
    changed(folder / "x.json", steps=old["steps"], provenance=other)
    said = run("reproduce", "../x.json", code=1).stdout
    assert "differs in its last bits" in said
    assert "torch was 1 and is" in said
    assert "device was NVIDIA and is cpu" in said


def test_a_simulation_needs_no_file_and_a_changed_file_is_named(solve, run, y, folder):
    solve("sample:camera:16", "-o", "s.png")
    run("reproduce", "s.json")
    assert "psnr" in json.loads((folder / "s.json").read_text())["history"][0]
    solve(y, "-o", "x.png")
    assert "psnr" not in json.loads((folder / "x.json").read_text())["history"][0]
    save(y, samples.load("camera", 24).x[..., :16, :], overwrite=True)
    assert "the measurement has other values" in run("reproduce", "x.json", code=1).stdout
    (folder / y).unlink()
    said = run("reproduce", "x.json", code=2).stderr
    assert "this run cannot be made again" in said
    assert "y.png" in said


def test_a_stack_is_compared_page_by_page(solve, run, folder):
    np.save("stack.npy", np.random.default_rng(0).random((2, 8, 9)))
    solve("stack.npy", "-o", "x.npy", "--noise", "gaussian:sigma=0.1")
    run("reproduce", "x.json")
    values = json.loads((folder / "x.json").read_text())
    values["pages"][1]["steps"] = 1
    changed(folder / "x.json", pages=values["pages"])
    assert "page 2: it took 1 steps" in run("reproduce", "x.json", code=1).stdout


def test_what_cannot_be_repeated_is_refused(solve, run, y, folder):
    solve(y, "-o", "x.png", "--noise", "gaussian:sigma=0.1")
    good = (folder / "x.json").read_text()
    for change, said in (
        ({"stop": {"name": "interrupted"}}, "was interrupted"),
        ({"options": {"prior": 3}}, "damaged"),
        ({"options": {"pirors": "tv"}}, "damaged"),
        ({"stop": 3}, "damaged"),
        ({"provenance": 3}, "damaged"),
    ):
        (folder / "x.json").write_text(good)
        changed(folder / "x.json", **change)
        assert said in run("reproduce", "x.json", code=2).stderr
    values = json.loads(good)
    del values["options"]
    (folder / "x.json").write_text(json.dumps(values))
    assert "of an earlier release" in run("reproduce", "x.json", code=2).stderr
    (folder / "x.json").write_text("{")
    assert "is no record" in run("reproduce", "x.json", code=2).stderr
