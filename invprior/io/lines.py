"""Signals as plots: an image of one row or one column says little as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invprior.io.display import Window

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY, BLUE, BLACK = "#8A8A8A", "#0072B2", "#000000"  # after Okabe and Ito
_SIZE = (9.6, 4.2)  # inches
_RESOLUTION = 100  # pixels per inch
_MARGIN = 0.05  # of a window, beyond its ends


def is_line(x: Tensor) -> bool:
    """Return whether an image, (..., H, W), has one row or one column, and more than one pixel."""
    height, width = x.shape[-2:]
    return min(height, width) == 1 and max(height, width) > 1


def draw(axes: Axes, curves: Sequence[tuple[str, Tensor]], window: Window | None = None) -> None:
    """Draw signals into axes of Matplotlib, the first in grey if there are several, as it is the measurement.

    Args:
        axes: of Matplotlib.
        curves: title and values of each, (1, C, 1, N) or (1, C, N, 1); of complex values the magnitude is drawn. Those
            of fewer samples, as of a downsampled signal, are spread over the same length. NaN leaves a gap.
        window: the values at the lower and the upper end; by default those of the curves.
    """
    signals = [(title, _channels(x)) for title, x in curves]
    length = max(values.shape[1] for _, values in signals)
    colours = [GREY, BLUE, BLACK] if len(signals) > 1 else [BLUE]
    for index, (title, values) in enumerate(signals):
        count = values.shape[1]
        # Each sample stands in the middle of its part of the length.
        places = (np.arange(count) + 0.5) * length / count - 0.5
        style = {"color": colours[min(index, len(colours) - 1)], "linewidth": 1.0}
        if index > 1:
            style |= {"linestyle": (0, (4, 2))}
        if np.isnan(values).any():  # a sample between two gaps has no line
            style |= {"marker": ".", "markersize": 4}
        for channel, line in enumerate(values):
            axes.plot(places, line, label=None if channel else title, **style)  # type: ignore[arg-type]
    axes.set_xlim(-0.5, length - 0.5)
    axes.set_xlabel("sample")
    if any(x.is_complex() for _, x in curves):
        axes.set_ylabel("magnitude")
    if window is not None:
        margin = _MARGIN * (window.high - window.low)
        axes.set_ylim(window.low - margin, window.high + margin)
    if any(title for title, _ in curves):
        axes.legend(frameon=False, fontsize="small")


def plotted(
    curves: Sequence[tuple[str, Tensor]], window: Window | None = None
) -> NDArray[np.uint8]:
    """Return the plot of signals as 8-bit RGB, (H, W, 3); the arguments are those of `draw`."""
    # Slow to import, and images need none of it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_RESOLUTION, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    draw(figure.subplots(), curves, window)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def as_image(pixels: NDArray[np.uint8]) -> Tensor:
    """Return 8-bit pixels, (H, W, 3), as an image, (1, 3, H, W), in [0, 1]."""
    return torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255))[None]


def _channels(x: Tensor) -> NDArray[np.float64]:
    """Return the values of a signal, (C, N)."""
    x = x.detach().cpu()
    values: NDArray[np.float64] = (x.abs() if x.is_complex() else x).double()[0].flatten(1).numpy()
    return values
