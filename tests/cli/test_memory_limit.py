"""`--memory-limit`: what is taken instead, what is refused, and what the summary says."""

import numpy as np
import pytest

from invprior.io import images
from invprior.memory import plan as budget
from invprior.memory.forecast import Estimate, Forecast

SMALL = ["--prior", "dip:net=skip(down=[8],skip=0),members=1,channels=4", "--steps", "1"]


@pytest.fixture
def big(folder):
    """big.npy, 100 x 300: large enough to be estimated."""
    np.save("big.npy", np.random.default_rng(0).random((100, 300), np.float32))
    return "big.npy"


def test_too_little_is_refused_with_the_figures(refused, big):
    said = refused("solve", big, *SMALL, "--memory-limit", "1MB")
    assert '"memory_limit" (--memory-limit) must be at least' in said
    assert "got 1 MB" in said


def test_what_is_no_size_is_refused_with_the_other_faults(refused, big):
    said = refused("solve", big, "--prior", "tw", "--memory-limit", "much")
    assert 'such as "4GB"' in said
    assert "tw" in said


def test_more_than_is_free_is_refused_and_the_option_named(refused, big, monkeypatch):
    monkeypatch.setattr(budget, "available", lambda device: 2 * 10**6)
    said = refused("solve", big, *SMALL)
    assert "2 MB are free" in said
    assert "--memory-limit" in said


def test_tiles_of_a_image_with_a_truth(run, big, monkeypatch):
    """The figures need not be real to be a limit: a run of 2 GB may take 1.5 GB."""
    real = budget._in_tiles
    monkeypatch.setattr(
        budget, "_in_tiles", lambda found, tile: real(found, tile) % 1000 if tile <= 192 else 10**12
    )
    found = run("solve", big, "--simulate", *SMALL, "--memory-limit", "1kB", "-o", "x.npy")
    assert "tiles of 192 pixels" in found.stderr
    assert images.load("x.npy").x.shape == (1, 1, 100, 300)


def test_the_summary_shows_what_is_large(run, big, monkeypatch):
    large = Estimate(working=2 * 10**9, weights=0, images=0)
    monkeypatch.setattr(Forecast, "whole", large)
    monkeypatch.setattr(budget, "available", lambda device: 10**13)
    assert "about 2.0 GB (estimated)" in run("solve", big, *SMALL).stdout
