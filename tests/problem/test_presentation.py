"""How a solution looks: pictures, figures, HTML, files, and the progress of its run."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

import invprior
from invprior import samples
from invprior.errors import MeasurementError
from invprior.runner import progress

TRUTH = samples.load("camera", 24).x


def solved(y=TRUTH, **more):
    options = {"prior": "tikhonov:weight=1", "noise": "gaussian:sigma=0.1", "steps": 3} | more
    return invprior.solve(y, **options)


@pytest.fixture(scope="module")
def solution():
    return solved()


def test_a_picture_keeps_a_photographs_intensities_and_stretches_others(solution):
    picture = solution.to_pil()
    assert (picture.size, picture.mode) == ((24, 24), "L")
    values = np.asarray(picture, float) / 255
    assert np.abs(values - solution.to_numpy().clip(0, 1)).max() <= 0.5 / 255 + 1e-6
    two = solved(1000 * torch.cat([TRUTH, TRUTH.flip(-1)]), noise="auto")
    first, second = two.to_pil()
    assert np.ptp(np.asarray(first)) > 200
    assert first.size == second.size
    with pytest.raises(MeasurementError, match="1 or 3 channels; got 2"):
        solved(TRUTH.repeat(1, 2, 1, 1)).to_pil()


def test_a_notebook_shows_images_the_end_and_notes(solution):
    found = solution._repr_html_()
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', found)
    assert len(images) == 3
    assert Image.open(io.BytesIO(base64.b64decode(images[1]))).size == (24, 24)
    for word in ("measurement", "restoration", "difference", "tikhonov:weight=1", "steps"):
        assert word in found
    HTMLParser().feed(found)
    hostile = invprior.Solution(
        solution.x, invprior.Stop("x", False, "<script>"), 1, 0.0, notes=("a<b",)
    )
    shown = hostile._repr_html_()
    assert "<script>" not in shown
    assert "a&lt;b" in shown
    assert shown.count("<img") == 1  # without the measurement
    smaller = solved(TRUTH[..., ::2, ::2], operator="downsample:factor=2")
    assert smaller._repr_html_().count("<img") == 2  # sizes that differ have no difference
    assert "and 2 more images" in solved(TRUTH.repeat(6, 1, 1, 1))._repr_html_()


def test_a_figure_has_the_error_and_scores_with_a_truth(solution):
    titles = [axis.get_title() for axis in solution.plot().axes]
    assert [t.partition(",")[0] for t in titles] == ["measurement", "restoration", "difference"]
    measurement, restoration, truth, error = (a.get_title() for a in solution.plot(TRUTH).axes)
    assert re.search(r"restoration\n\d+\.\d\d dB, SSIM [01]\.\d+", restoration)
    assert (truth, error.partition(",")[0]) == ("truth", "error")
    assert "dB" in measurement
    with pytest.raises(MeasurementError, match="must have the shape"):
        solution.plot(TRUTH[..., :5])


def test_it_is_saved_as_an_image_or_a_stack(solution, tmp_path):
    solution.save(tmp_path / "x.npy")
    assert np.array_equal(np.load(tmp_path / "x.npy"), solution.to_numpy())
    with pytest.raises(MeasurementError, match="exists already"):
        solution.save(tmp_path / "x.npy")
    two = solved(torch.cat([TRUTH, TRUTH.flip(-1)]))
    two.save(tmp_path / "two.tif")
    assert len(invprior.load_stack(tmp_path / "two.tif").images) == 2


def test_progress_is_shown_where_it_is_wanted(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_LOGGED", 0.0)
    solved(progress=True)
    assert "step 1 of 3: energy" in capsys.readouterr().err
    solved()
    assert capsys.readouterr().err == ""
