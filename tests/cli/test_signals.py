"""Signals on the command line: the same kind and shape out as in, and plots in place of pictures."""

import json

import numpy as np
import pytest
from PIL import Image

X = np.exp(-((np.linspace(0, 1, 80) - 0.4) ** 2) / 0.01)
TRIAL = ("--prior", "tikhonov:weight=5", "--noise", "gaussian:sigma=0.02", "--steps", "5")


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
@pytest.mark.parametrize(
    "operator", ["denoise", "blur:sigma=2", "inpaint:keep=0.6", "downsample:factor=4"]
)
def test_simulated(suffix, operator, run, folder):
    load = np.load if suffix == ".npy" else np.loadtxt
    (np.save if suffix == ".npy" else np.savetxt)(f"x{suffix}", X)
    run("solve", f"x{suffix}", "--simulate", "--operator", operator, *TRIAL, "-o", ".")
    assert load(f"restoration{suffix}").shape == (80,)
    assert load(f"measurement{suffix}").shape == (20 if "factor" in operator else 80,)
    with Image.open("comparison.png") as plot:
        assert plot.size == (960, 420)
    record = json.loads((folder / "record.json").read_text())
    assert record["files"]["restoration"].endswith(f"restoration{suffix}")


def test_from_a_table_to_a_film(run, folder):
    np.savetxt("x.csv", np.c_[np.arange(80), X], delimiter=",", header="t,value", comments="")
    run("degrade", "x.csv:value", "-o", "y.csv", "--noise", "gaussian:sigma=0.05")
    assert np.loadtxt("y.csv").shape == (80,)
    run("solve", "y.csv", *TRIAL, "--truth", "x.csv:value", "-o", "out.npy", "--movie", "m.gif")
    assert np.load("out.npy").shape == (80,)
    with Image.open("m.gif") as film:
        assert film.size == (960, 420)
        assert film.n_frames > 2


def test_what_cannot_hold_a_result_is_refused_before_the_run(refused, folder):
    np.savetxt("x.csv", X)
    np.savetxt("two.csv", np.c_[X, X])
    np.save("image.npy", np.ones((9, 9)))
    assert "behind a colon" in refused("solve", "two.csv", *TRIAL)
    assert "holds one signal" in refused("solve", "image.npy", *TRIAL, "-o", "out.csv")
    assert "at least 2 x 2 pixels" in refused("solve", "x.csv", "--operator", "bayer", *TRIAL)


def test_several_runs_plot_their_deviation(run, folder):
    np.savetxt("x.csv", X)
    run("solve", "x.csv", "--prior", "dip:preset=fast", "--steps", "2", "--runs", "2", "-o", ".")
    with Image.open("deviation.png") as plot:
        assert plot.size == (960, 420)
