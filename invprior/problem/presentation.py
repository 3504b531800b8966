"""How a solution looks in notebooks and figures: pictures, scores, the end of the run."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from torch import Tensor

from invprior.errors import MeasurementError
from invprior.io.display import Window, window_of
from invprior.io.lines import draw, is_line, plotted
from invprior.metrics.base import score_range
from invprior.metrics.psnr import PSNR
from invprior.metrics.ssim import SSIM

_SIDE = 240  # pixels of an inline image: three fit into a notebook's column
_SHOWN = 4  # images of a batch that a notebook shows


def picture(x: Tensor, window: Window | None = None) -> Any:
    """Return (1, C, H, W) as an image of Pillow in 8 bits; a signal as its plot.

    Args:
        x: the image.
        window: the intensities of black and white; by default those of x.

    Raises:
        MeasurementError: it has neither 1 nor 3 channels.
    """
    from PIL import Image

    if is_line(x):
        return Image.fromarray(plotted([("", x)], window))
    shown = (window or window_of(x))(x.detach().cpu())[0].nan_to_num(0.0).clamp(0, 1)
    if len(shown) not in (1, 3):
        raise MeasurementError(
            f"A picture has 1 or 3 channels; got {len(shown)}. Show them one by one: solution.x[:, :1]."
        )
    values = (shown * 255).round().byte().numpy().transpose(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(values[..., 0] if len(shown) == 1 else values))


def html(x: Tensor, y: Tensor | None, facts: Sequence[tuple[str, str]]) -> str:
    """Return images and facts as HTML that needs no other file.

    Args:
        x: the restorations, (B, C, H, W).
        y: the measurements, (B, ...), or None.
        facts: names and texts, for the table below.
    """
    parts = []
    for index, image in enumerate(x[:_SHOWN]):
        panels = _panels(image[None], None if y is None else y[index][None])
        parts.append(_plot(panels) if is_line(image) else _row(panels))
    if len(x) > _SHOWN:
        parts.append(f"<p>and {len(x) - _SHOWN} more images</p>")
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in facts
    )
    return f"<div>{''.join(parts)}<table>{rows}</table></div>"


def figure(x: Tensor, y: Tensor | None, truth: Tensor | None = None) -> Any:
    """Return a figure of Matplotlib with the images side by side, a row for each image of a batch.

    Signals are curves in one plot.

    Args:
        x: the restorations, (B, C, H, W).
        y: the measurements, (B, ...), or None.
        truth: the true images, (B, C, H, W) or one for all, or None.

    Raises:
        MeasurementError: the true images have another shape.
    """
    from matplotlib.figure import Figure

    if truth is not None and truth.shape[-3:] != x.shape[-3:]:
        raise MeasurementError(
            f"The true image must have the shape {tuple(x.shape)} of the restoration; got {tuple(truth.shape)}."
        )
    rows = []
    for index, image in enumerate(x):
        measured = None if y is None else y[index][None]
        true = None if truth is None else truth.to(x.device).expand_as(x)[index][None]
        rows.append(_panels(image[None], measured, true))
    if is_line(x):
        drawn = Figure(figsize=(9.6, 4.2 * len(rows)), layout="constrained")
        for axis, panels in zip(
            drawn.subplots(len(rows), 1, squeeze=False).flat, rows, strict=True
        ):
            draw(axis, _curves(panels))
        return drawn
    columns = max(map(len, rows))
    drawn = Figure(figsize=(3.2 * columns, 3.4 * len(rows)), layout="constrained")
    axes = drawn.subplots(len(rows), columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for line, panels in zip(axes, rows, strict=True):
        for axis, (title, x, window) in zip(line, panels, strict=False):
            axis.set_title(title, fontsize=9)
            axis.imshow(picture(colours(x), window), cmap="gray", vmin=0, vmax=255)
    return drawn


def _panels(
    x: Tensor, y: Tensor | None, truth: Tensor | None = None
) -> list[tuple[str, Tensor, Window]]:
    """Return title, values and window of each image: measurement, restoration, truth, and a difference."""
    window = window_of(x if truth is None else truth)
    comparable = y is not None and y.shape == x.shape
    panels = []
    if y is not None and y.dim() == 4:
        title = "measurement" + (_scores(y, truth) if comparable else "")
        panels.append((title, y, window.for_measurement(y)))
    panels.append(("restoration" + _scores(x, truth), x, window))
    if truth is not None:
        panels.append(("truth", truth, window))
    other = truth if truth is not None else y if comparable else None
    if other is not None:
        change = x - other
        most = float(change.abs().nan_to_num(0.0).max()) or 1.0
        name = "error" if truth is not None else "difference"
        panels.append((f"{name}, ±{most:.3g}", change, Window(-most, most)))
    return panels


def _scores(x: Tensor, truth: Tensor | None) -> str:
    if truth is None:
        return ""
    within = score_range(truth)
    text = f"\n{float(PSNR(data_range=within).measure(x, truth)):.2f} dB"
    if min(x.shape[2:]) >= 11:  # SSIM's window
        text += f", SSIM {float(SSIM(data_range=within).measure(x, truth)):.3f}"
    return text


def _curves(panels: list[tuple[str, Tensor, Window]]) -> list[tuple[str, Tensor]]:
    """Return titles and values of signals; their difference, which is around 0, is left out."""
    return [
        (title.replace("\n", ", "), x)
        for title, x, _ in panels
        if not title.startswith(("error", "difference"))
    ]


def _plot(panels: list[tuple[str, Tensor, Window]]) -> str:
    from PIL import Image

    image = Image.fromarray(plotted(_curves(panels)))
    return f'<img alt="plot of the signals" src="{_data(image)}">'


def _row(panels: list[tuple[str, Tensor, Window]]) -> str:
    cells = []
    for title, x, window in panels:
        image = picture(colours(x), window)
        factor = max(image.size) / _SIDE
        if factor > 1:
            image = image.resize([max(1, round(side / factor)) for side in image.size])
        cells.append(
            f'<figure style="display:inline-block;margin:4px"><img alt="{escape(title)}" width="{_SIDE}" '
            f'style="image-rendering:pixelated" src="{_data(image)}">'
            f"<figcaption>{escape(title)}</figcaption></figure>"
        )
    return f"<div>{''.join(cells)}</div>"


def _data(image: Any) -> str:
    """Return an image of Pillow as a data URI."""
    content = io.BytesIO()
    image.save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def colours(x: Tensor) -> Tensor:
    """Return x with 1 or 3 channels: the mean of any other number."""
    return x if x.shape[1] in (1, 3) else x.mean(1, keepdim=True)
