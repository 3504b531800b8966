"""Measurements that are no images on the command line: from a file to the record."""

import json

import numpy as np
import pytest
from PIL import Image

SOLVE = ("--prior", "tikhonov:weight=5", "--noise", "gaussian:sigma=0.02", "--steps", "5")


@pytest.mark.parametrize(
    ("operator", "shape"),
    [
        ("radon:angles=6", (6, 23)),
        ("subsample:keep=0.5", (128,)),
        ("matrix:keep=0.5", (128,)),
    ],
)
def test_from_a_file_to_the_record(operator, shape, run, folder):
    source = ("sample:camera:16", "--operator", operator, "--noise", "gaussian:sigma=0.02")
    text = run("degrade", *source, "-o", "y.npy").output
    assert " x ".join(map(str, shape)) in text
    y = np.load("y.npy")
    assert y.shape == shape
    assert y.dtype == np.float32
    run("solve", "y.npy", "--operator", operator, *SOLVE, "-o", "x.tif")
    assert (folder / "x.tif").exists()
    # A simulation takes the same path, and its measurement is written as it is.
    run("solve", *source[:3], "--simulate", *SOLVE, "-o", "s.png")
    assert np.load("s-measurement.npy").shape == shape
    record = json.loads((folder / "s.json").read_text())
    assert record["files"]["measurement"].endswith("s-measurement.npy")
    assert "pseudo-inverse" in record["scores"]
    assert "measurement" not in record["scores"]
    # Three pictures of the image's size: no sinogram among them.
    with Image.open("s-comparison.png") as picture:
        width, height = picture.size
    assert width > 2.5 * height * 192 / 222


def test_a_vector_goes_to_npy_only(run, folder):
    result = run("degrade", "sample:camera:16", "--operator", "matrix", "-o", "y.png", code=2)
    assert "no image" in result.output
    assert not list(folder.iterdir())


def test_another_shape_is_refused(run, folder):
    np.save("y.npy", np.ones((2, 3, 4, 5), np.float32))
    result = run("solve", "y.npy", "--operator", "subsample", *SOLVE, "-o", "x.npy", code=2)
    assert "(2, 3, 4, 5)" in result.output


def test_runs_are_resumed_and_colours_kept(run, folder):
    operator = "subsample:transform=dct,keep=0.5"
    run("degrade", "sample:astronaut:16", "--operator", operator, "-o", "y.npy")
    assert np.load("y.npy").shape == (3, 128)
    run("solve", "y.npy", "--operator", operator, *SOLVE, "-o", "x.npy", "--explain")
    assert np.load("x.npy").shape == (16, 16, 3)
