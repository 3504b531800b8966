"""Magnetic resonance imaging on the command line: from a file of k-space to complex images and their magnitudes."""

import json

import numpy as np
from PIL import Image
from skimage.data import shepp_logan_phantom

from tests.operators.test_fourier import coils

SOLVE = ("--noise", "gaussian:sigma=0.02", "--steps", "5")


def phantom(side=16):
    return shepp_logan_phantom()[:: 400 // side, :: 400 // side].astype(np.float32)


def test_from_k_space_to_the_record(run, folder):
    np.save("truth.npy", phantom())
    np.save("maps.npy", coils(3, 16, 16))
    operator = "fourier:acceleration=2,coils=maps.npy"
    source = ("--operator", operator, "--noise", "gaussian:sigma=0.02")
    run("degrade", "truth.npy", *source, "-o", "y.npy")
    y = np.load("y.npy")
    assert y.shape == (3, 16, 16)
    assert y.dtype == np.complex64
    turned = y * np.exp(0.7j)  # a phase of the whole image, which no magnitude shows
    np.save("turned.npy", turned.astype(np.complex64))
    end = ("--operator", operator, "--prior", "tv:weight=3", "--truth", "truth.npy", *SOLVE)
    run("solve", "y.npy", *end, "-o", "x.npy")
    run("solve", "turned.npy", *end, "-o", "z.npy")
    x, z = np.load("x.npy"), np.load("z.npy")
    assert x.dtype == np.complex64
    assert x.shape == (16, 16)
    assert np.allclose(z, x * np.exp(0.7j), atol=1e-3)
    record, other = (json.loads((folder / f"{n}.json").read_text()) for n in "xz")
    score = record["scores"]["restoration"]["psnr"]
    assert score > record["scores"]["pseudo-inverse"]["psnr"]
    assert abs(score - other["scores"]["restoration"]["psnr"]) < 0.01
    assert record["provenance"]["operator"].startswith("fourier:acceleration=2.0")
    assert record["provenance"]["dtype"] == "complex64"
    text = run("solve", "y.npy", *end, "-o", "x.png", "--overwrite").output
    assert "x.png holds the magnitude alone" in text
    with Image.open("x.png") as picture:
        levels = np.asarray(picture) / 65535
    assert np.abs(levels - np.clip(np.abs(x), 0, 1)).max() < 0.01
    assert "to the last bit" in run("reproduce", "x.json").output


def test_simulations_are_complex_whatever_the_source(run, folder):
    start = ("solve", "sample:astronaut:16", "--operator", "fourier:acceleration=2", "--simulate")
    run(*start, "--prior", "wavelet", *SOLVE, "-o", ".")
    x, y = np.load("restoration.npy"), np.load("measurement.npy")
    assert x.shape == (16, 16, 3)
    assert y.shape == (3, 1, 16, 16)
    assert x.dtype == y.dtype == np.complex64
    assert (folder / "comparison.png").exists()


def test_what_does_not_fit_is_refused(run, folder):
    np.save("y.npy", np.ones((3, 16, 16), np.complex64))
    start = ("solve", "y.npy", *SOLVE, "-o", "x.npy")
    assert "mask or acceleration" in run(*start, "--operator", "fourier", code=2).output
    one = ("--operator", "fourier:acceleration=2")
    assert "1 coil" in run(*start, *one, "--prior", "tv", code=2).output
    np.save("y.npy", np.ones((16, 16), np.complex64))
    box = run(*start, *one, "--prior", "tv + box:low=0", code=2).output
    assert "box must be real" in box
    assert [p.name for p in folder.iterdir()] == ["y.npy"]
