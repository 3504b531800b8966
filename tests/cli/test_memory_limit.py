"""`--memory-limit`: the plans it leads to, the refusals, and the summary."""

import numpy as np
import pytest

from invprior.io import images
from invprior.memory import plan
from invprior.memory.forecast import Estimate, Forecast

SMALL = ["--prior", "dip:net=skip(down=[8],skip=0),members=1,channels=4", "--steps", "1"]


@pytest.fixture
def big(folder):
    """big.npy, 100 x 300, large enough that its memory is estimated."""
    np.save("big.npy", np.random.default_rng(0).random((100, 300), np.float32))
    return "big.npy"


def test_too_little_is_refused_with_both_sizes(refused, big):
    message = refused("solve", big, *SMALL, "--memory-limit", "1MB")
    assert '"memory_limit" (--memory-limit) must be at least' in message
    assert "got 1 MB" in message


def test_a_malformed_size_is_refused_with_the_other_faults(refused, big):
    message = refused("solve", big, "--prior", "tw", "--memory-limit", "much")
    assert 'such as "4GB"' in message
    assert "tw" in message


def test_more_than_is_free_is_refused_and_the_option_is_named(refused, big, monkeypatch):
    monkeypatch.setattr(plan, "available", lambda device: 2 * 10**6)
    message = refused("solve", big, *SMALL)
    assert "2 MB are free" in message
    assert "--memory-limit" in message


def test_tiles_of_an_image_with_a_truth(run, big, folder, monkeypatch):
    """Tiles of 192 pixels are made to need almost nothing, so that the smallest limit selects them."""
    real = plan._in_tiles
    monkeypatch.setattr(
        plan, "_in_tiles", lambda found, tile: real(found, tile) % 1000 if tile <= 192 else 10**12
    )
    found = run(
        "solve",
        big,
        "--simulate",
        *SMALL,
        "--memory-limit",
        "1kB",
        "-o",
        "x.npy",
        "--checkpoint-every",
        0,
    )
    assert "tiles of 192 pixels" in found.stderr
    assert not (folder / "x.checkpoint").exists()
    assert images.load("x.npy").x.shape == (1, 1, 100, 300)


def test_the_summary_shows_a_large_estimate(run, big, monkeypatch):
    large = Estimate(working=2 * 10**9, weights=0, images=0)
    monkeypatch.setattr(Forecast, "whole", large)
    monkeypatch.setattr(plan, "available", lambda device: 25 * 10**8)
    assert "about 2.0 GB (estimated)" in run("solve", big, *SMALL).stdout
