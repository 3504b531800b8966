"""Signals are shown as plots."""

import numpy as np
import pytest
import torch

from invprior.io.display import Window
from invprior.io.lines import draw, is_line, plotted
from invprior.io.montage import Shown, side_by_side
from invprior.problem import presentation

ROW = torch.linspace(0, 1, 30)[None, None, None]


@pytest.mark.parametrize(
    ("size", "line"), [((1, 9), True), ((9, 1), True), ((1, 1), False), ((2, 9), False)]
)
def test_what_is_drawn_as_a_line(size, line):
    assert is_line(torch.zeros(1, 1, *size)) == line


def axes_of(*curves, **options):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    draw(axes, curves, **options)
    return axes


def test_curves_keep_their_values_and_share_their_length():
    axes = axes_of(("measurement", 2 * ROW[..., ::3]), ("restoration", ROW.mT))
    short, long = axes.get_lines()
    assert np.allclose(long.get_ydata(), ROW.flatten())
    assert np.allclose(long.get_xdata(), np.arange(30))
    assert np.allclose(short.get_ydata(), 2 * ROW[..., ::3].flatten())
    assert np.allclose(short.get_xdata(), np.arange(10) * 3 + 1)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "measurement",
        "restoration",
    ]


def test_complex_curves_show_their_magnitude_and_gaps_stay_gaps():
    values = (ROW * (3 + 4j)).masked_fill(ROW < 0.5, torch.nan)
    axes = axes_of(("x", values), window=Window(0, 10))
    assert np.allclose(axes.get_lines()[0].get_ydata()[-5:], 5 * ROW.flatten()[-5:])
    assert np.isnan(axes.get_lines()[0].get_ydata()[:10]).all()
    assert axes.get_ylabel() == "magnitude"
    assert axes.get_ylim() == (-0.5, 10.5)


def test_every_place_that_shows_images_plots_signals():
    pixels = plotted([("", ROW)])
    assert pixels.shape == (420, 960, 3)
    assert side_by_side([Shown("x", ROW), Shown("y", ROW)]).shape[2:] == pixels.shape[:2]
    assert np.array_equal(np.asarray(presentation.picture(ROW)), pixels)
    assert presentation.html(ROW, ROW + 0.1, []).count("<img") == 1
    (axes,) = presentation.figure(ROW, ROW + 0.1, ROW).axes
    titles = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [title.split()[0].rstrip(",") for title in titles] == [
        "measurement",
        "restoration",
        "truth",
    ]
