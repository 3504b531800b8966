"""`invprior solve` on a stack: each page restored, the stack written with its metadata, and resumed."""

import numpy as np
import pytest
import tifffile

from invprior import samples
from invprior.checkpoint.checkpoint import FILE

from .conftest import contents, strict_json

FAST = ["--prior", "tikhonov:weight=20", "--noise", "gaussian:sigma=0.05", "--stop", "max-steps:steps=4"]  # fmt: skip


@pytest.fixture
def stack(folder):
    """s.tif: three time points of 12 x 14 pixels with 16 bits, as ImageJ writes them."""
    x = samples.load("camera", 24).x[0, 0, :12, :14].numpy()
    values = np.stack([(x * 4000 + 1000 * k).astype(np.uint16) for k in range(3)])
    metadata = {"axes": "TYX", "finterval": 0.5, "unit": "um"}
    tifffile.imwrite("s.tif", values, imagej=True, metadata=metadata, resolution=(10, 10))
    return "s.tif"


def names(place):
    return sorted(p.name for p in place.iterdir())


def test_each_page_is_restored_and_the_stack_keeps_its_metadata(run, stack, folder):
    out = run("solve", stack, *FAST, "-o", "out.tif").stdout
    assert names(folder) == ["out-comparison.png", "out.json", "out.tif", "s.tif"]
    assert "Wrote out.tif, out-comparison.png, out.json" in out
    with tifffile.TiffFile("out.tif") as new, tifffile.TiffFile(stack) as old:
        assert new.series[0].axes == "TYX"
        assert new.imagej_metadata == old.imagej_metadata
        assert new.pages.first.tags[282].value == old.pages.first.tags[282].value
        values = new.asarray()
    assert values.dtype == np.uint16
    record = strict_json((folder / "out.json").read_text())
    assert [page["steps"] for page in record["pages"]] == [record["pages"][0]["steps"]] * 3
    for index in (0, 2):  # as the page alone
        tifffile.imwrite("page.tif", tifffile.imread(stack)[index], metadata=None)
        run("solve", "page.tif", *FAST, "-o", "alone.tif", "--overwrite")
        assert np.array_equal(tifffile.imread("alone.tif"), values[index])


def test_a_default_folder_and_json(run, stack, folder):
    record = strict_json(run("solve", stack, *FAST, "--json").stdout)
    made = folder / "invprior-out" / "s-denoise-tikhonov"
    assert names(made) == ["comparison.png", "record.json", "restoration.tif"]
    assert len(record["pages"]) == 3
    assert record["axes"] == "TYX"


def test_simulated_stacks_are_measured_and_scored(run, stack, folder):
    out = run("solve", stack, *FAST, "--simulate", "-o", "out.tif").stdout
    assert "PSNR" in out
    measured = tifffile.imread("out-measurement.tif")
    assert measured.shape == (3, 12, 14)
    record = strict_json((folder / "out.json").read_text())
    each = [page["scores"]["restoration"]["psnr"] for page in record["pages"]]
    assert record["scores"]["restoration"]["psnr"] == pytest.approx(np.mean(each))


def test_true_images_for_each_page(run, refused, stack, folder):
    run("solve", stack, *FAST, "--truth", stack, "-o", "out.tif")
    record = strict_json((folder / "out.json").read_text())
    assert all(np.isfinite(page["scores"]["restoration"]["psnr"]) for page in record["pages"])
    tifffile.imwrite("two.tif", tifffile.imread(stack)[:2], photometric="minisblack")
    message = refused("solve", stack, *FAST, "--truth", "two.tif", "-o", "x.tif")
    assert "one image, or one for each of the 3" in message


def test_what_cannot_be_meant_is_refused(refused, stack, folder):
    message = refused("solve", stack, *FAST, "-o", "x.png")
    assert "a PNG file holds one image, this stack 3. Write .tif or .npy" in message
    assert "--weight-curve" in refused("solve", stack, *FAST, "--weight-curve", "-o", "x.tif")
    assert 'Unknown prior "tvv"' in refused("solve", stack, "--prior", "tvv", "-o", "x.tif")
    message = refused("solve", stack, "--simulate", "--truth", stack, "-o", "x.tif")
    assert "Leave out --truth or --simulate" in message
    (folder / "x.json").write_text("dear")
    assert '"x.json" exists already' in refused("solve", stack, *FAST, "-o", "x.tif")


@pytest.fixture
def cut(run, monkeypatch):
    """Press Ctrl-C at the second step of a page."""

    def call(page, *arguments):
        seen = []

        def pressed(self, iterate):
            seen.extend([1] * (iterate.step == 1))
            if len(seen) == page and iterate.step == 2:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("invprior.runner.progress.Live.__call__", pressed)
            return run("solve", *arguments, code=130)

    return call


SLOW = [*FAST[2:], "--prior", "tv:weight=8"]


@pytest.mark.parametrize("output", [["-o", "out.tif"], []])
def test_an_interrupted_stack_is_resumed(run, cut, refused, stack, folder, monkeypatch, output):
    run("solve", stack, *SLOW, "-o", "whole.tif")
    result = cut(2, stack, *SLOW, *output)
    left = folder / ("out.checkpoint" if output else "invprior-out/s-denoise-tv/checkpoint")
    assert f"Resume with: invprior solve --resume {left.relative_to(folder)}" in result.stderr
    assert (left / "page-0001.safetensors").exists()
    assert (left / "page-0002.checkpoint" / FILE).exists()
    if output:
        before = contents(folder)
        assert "holds an unfinished run" in run("solve", stack, *SLOW, *output, code=2).stderr
        assert contents(folder) == before
    steps = []
    monkeypatch.setattr(
        "invprior.runner.progress.Live.__call__", lambda _, iterate: steps.append(iterate.step)
    )
    run("solve", "--resume", left)
    assert steps == [3, 4, 1, 2, 3, 4]  # pages 2 and 3
    out = folder / "out.tif" if output else left.parent / "restoration.tif"
    assert np.array_equal(tifffile.imread(out), tifffile.imread("whole.tif"))
    assert not left.exists()
    assert not list(folder.rglob("*.lock"))


def test_an_overwritten_stack_uses_nothing_of_the_old_one(run, cut, stack, folder):
    cut(2, stack, *SLOW, "-o", "out.tif")
    other = [*FAST[2:], "--prior", "tv:weight=3", "--overwrite"]
    run("solve", stack, *other, "-o", "out.tif")
    assert not (folder / "out.checkpoint").exists()
    run("solve", stack, *other, "-o", "whole.tif")
    assert np.array_equal(tifffile.imread("out.tif"), tifffile.imread("whole.tif"))


def test_a_stack_that_has_changed_is_not_resumed(run, cut, stack, folder):
    cut(2, stack, *SLOW, "-o", "out.tif")
    tifffile.imwrite(stack, tifffile.imread(stack) + 1, photometric="minisblack")
    assert "has changed since" in run("solve", "--resume", "out.checkpoint", code=2).stderr
    run("solve", stack, *SLOW, "-o", "out.tif", "--overwrite")
    assert not (folder / "out.checkpoint").exists()
