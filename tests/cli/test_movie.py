"""`--movie`: the film of a run."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from invprior.cli import movie

FAST = ("--noise", "gaussian:sigma=0.1")


@pytest.mark.parametrize("name", ["run.gif", "run.webp"])
def test_the_film_ends_with_the_result(solve, y, folder, name, monkeypatch):
    monkeypatch.setattr(movie, "_LARGEST", 12)
    assert name in solve(y, *FAST, "-o", "x.png", "--movie", name).stdout
    with Image.open(folder / name) as film:
        assert film.size == (12, 8)
        assert 2 <= film.n_frames <= 7  # equal frames may be joined
        film.seek(film.n_frames - 1)
        last = np.asarray(film.convert("RGB"), float)
    assert abs(last.mean() - np.asarray(Image.open(folder / "x.png"), float).mean()) < 8


def test_frames_are_evenly_spaced_and_few(folder, monkeypatch):
    monkeypatch.setattr(movie, "_MOST", 4)
    film = movie.Movie(folder / "run.webp")
    levels = torch.linspace(0, 1, 20)
    for level in levels:
        film(SimpleNamespace(x=level.expand(1, 1, 4, 4)))
    kept = [round(19 * float(frame.mean())) for frame in film.frames]
    assert kept == [0, 8, 16]
    film(SimpleNamespace(x=torch.zeros(1, 1, 2, 2)))  # a tile
    film.write(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), overwrite=False)
    with Image.open(folder / "run.webp") as shown:
        assert shown.n_frames == 5


def test_a_film_that_cannot_be_made_is_refused_before_the_run(refused, y, folder):
    assert "must name a file in .gif or .webp" in refused("solve", y, "--movie", "run.mp4")
    (folder / "run.gif").write_bytes(b"mine")
    assert "exists already" in refused("solve", y, "--prior", "tv", "--movie", "run.gif")
    np.save("stack.npy", np.zeros((2, 8, 9)))
    assert "films the run of one image" in refused("solve", "stack.npy", "--movie", "new.gif")
    assert "got 2 images" in refused("solve", y, "stack.npy", "--movie", "new.gif")
