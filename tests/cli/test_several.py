"""`invprior solve` on several files: one after the other into one folder, whatever happens to one of them."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from invprior import samples
from invprior.io import images
from invprior.io.save import save

from .conftest import contents, strict_json

FAST = ["--prior", "tikhonov:weight=20", "--noise", "gaussian:sigma=0.05", "--stop", "max-steps:steps=4"]  # fmt: skip
SLOW = [*FAST[2:], "--prior", "tv:weight=8"]


@pytest.fixture
def pictures(folder):
    """in/a.tif, in/b.png, in/c1.tif and in/c2.tif."""
    (folder / "in").mkdir()
    x = samples.load("camera", 16).x
    for name in ("a.tif", "b.png", "c1.tif", "c2.tif"):
        save(f"in/{name}", x, depth="uint8")
        x = x.flip(-1)
    return ["in/a.tif", "in/b.png", "in/c*.tif"]


def names(place):
    return sorted(p.name for p in place.iterdir())


def files_of(*results):
    return sorted(
        name
        for result in results
        for name in (result, result[:-4] + ".json", result[:-4] + "-comparison.png")
    )


def test_each_file_keeps_its_name_and_gets_its_record(run, pictures, folder):
    out = run("solve", *pictures, *FAST, "-o", "out/").stdout
    assert names(folder / "out") == files_of("a.tif", "b.png", "c1.tif", "c2.tif")
    assert "Restored 4 of 4 images into out" in out
    run("solve", "in/c1.tif", *FAST, "-o", "alone.tif")
    assert np.array_equal(tifffile.imread("out/c1.tif"), tifffile.imread("alone.tif"))
    assert strict_json((folder / "out" / "c1.json").read_text())["image"] == "in/c1.tif"
    assert not list(folder.rglob("*.lock"))


def test_a_fault_in_one_file_does_not_stop_the_others(run, pictures, folder):
    (folder / "in" / "broken.tif").write_bytes(b"II*\0broken")
    result = run("solve", "in/broken.tif", "in/none.png", *pictures[:2], *FAST, "-o", "out", code=2)
    assert names(folder / "out") == [*files_of("a.tif", "b.png"), "checkpoint"]
    assert 'in/broken.tif: Cannot read "in/broken.tif"' in result.stderr
    assert 'in/none.png: There is no file "in/none.png"' in result.stderr
    assert "2 of 4 images failed: in/broken.tif, in/none.png" in result.stderr
    assert "Restore what failed with: invprior solve --resume out" in result.stderr
    assert "Traceback" not in result.stderr
    before = (folder / "out" / "a.tif").stat().st_mtime_ns
    for name in ("broken.tif", "none.png"):
        save(f"in/{name}", samples.load("coins", 16).x, depth="uint8", overwrite=True)
    out = run("solve", "--resume", "out").stdout
    assert "Restored 2 of 4 images" in out
    assert "2 were done before" in out
    assert names(folder / "out") == files_of("a.tif", "b.png", "broken.tif", "none.png")
    assert (folder / "out" / "a.tif").stat().st_mtime_ns == before


def test_all_records_as_json(run, pictures, folder):
    text = run("solve", "in/a.tif", "in/none.png", *FAST, "-o", "out", "--json", code=2).stdout
    first, second = strict_json(text)
    assert first["files"]["restoration"] == "out/a.tif"
    assert second["image"] == "in/none.png"
    assert "There is no file" in second["error"]


def test_an_interrupted_run_is_resumed(run, pictures, folder, monkeypatch):
    run("solve", *pictures, *SLOW, "-o", "whole")
    seen = []

    def pressed(self, iterate):
        seen.append(iterate.step)
        if len(seen) == 6:  # the second step of the second file
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("invprior.runner.progress.Live.__call__", pressed)
        result = run("solve", *pictures, *SLOW, "-o", "out", code=130)
    assert "Resume with: invprior solve --resume out" in result.stderr
    before = contents(folder)
    assert "holds an unfinished run" in run("solve", *pictures, *SLOW, "-o", "out", code=2).stderr
    assert contents(folder) == before
    steps = []
    monkeypatch.setattr("invprior.runner.progress.Live.__call__", lambda _, i: steps.append(i.step))
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")  # the files stay where the run began
    run("solve", "--resume", "../out")
    assert steps == [3, 4, 1, 2, 3, 4, 1, 2, 3, 4]
    monkeypatch.chdir(folder)
    assert names(folder / "out") == names(folder / "whole")
    for name in ("a.tif", "c2.tif"):
        assert np.array_equal(tifffile.imread(f"out/{name}"), tifffile.imread(f"whole/{name}"))
    assert images.load("out/b.png").x.equal(images.load("whole/b.png").x)


def test_a_stack_among_the_files(run, pictures, folder):
    values = (np.random.default_rng(0).random((3, 12, 12)) * 255).astype(np.uint8)
    tifffile.imwrite("in/s.tif", values, photometric="minisblack")
    run("solve", "in/s.tif", "in/a.tif", *FAST, "-o", "out")
    assert names(folder / "out") == files_of("a.tif", "s.tif")
    assert tifffile.imread("out/s.tif").shape == (3, 12, 12)


def test_names_that_differ_in_the_suffix_alone(run, pictures, folder):
    Image.open("in/b.png").save("in/a.png")
    run("solve", "in/a.tif", "in/a.png", *FAST, "-o", "out")
    side = [f"a.{s}{end}" for s in ("png", "tif") for end in ("", ".json", "-comparison.png")]
    assert names(folder / "out") == sorted(side)


def test_nothing_is_overwritten(run, refused, pictures, folder):
    run("solve", *pictures[:2], *FAST, "-o", "out")
    message = refused("solve", *pictures[:2], *FAST, "-o", "out")
    assert "exists already" in message
    assert "--overwrite" in message
    run("solve", *pictures[:2], *FAST, "-o", "out", "--overwrite")
    assert names(folder / "out") == files_of("a.tif", "b.png")


def test_samples_and_simulated_files(run, pictures, folder):
    run("solve", "sample:camera:16", "sample:coins:16", *FAST, "-o", "out", "--quiet")
    assert "camera-measurement.png" in names(folder / "out")
    run("solve", *pictures[:2], *FAST, "--simulate")
    assert "a-measurement.tif" in names(folder / "invprior-out" / "2-images-denoise-tikhonov")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-o", "out.tif"], ["must name a folder for 4 images", '"out/"']),
        (["-o", "in"], ['holds the image "in/a.tif"', "another folder"]),
        (["-o", "in/a.tif/x"], ["Cannot make the folder", "is a file"]),
        (["-o", "out", "--truth", "in/a.tif"], ["--truth scores one measurement; got 4", "stack"]),
        (["-o", "out", "--prior", "tvv"], ['Unknown prior "tvv"']),
        (["sample:camera:16", "-o", "out"], ["--simulate"]),
        (["d*.tif", "-o", "out"], ['No file matches "d*.tif"']),
        (["-o", "out", "in/x/a.tif"], ['Several images are named "a.tif"', "folders of their own"]),
    ],
)
def test_what_cannot_be_meant_is_refused(refused, pictures, folder, arguments, expected):
    (folder / "in" / "x").mkdir()
    save("in/x/a.tif", samples.load("coins", 16).x)
    message = refused("solve", *pictures, *arguments)
    assert [part for part in expected if part not in message] == []
