"""One image that shows several images side by side, each under its title."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invprior.io.display import UNIT, Window
from invprior.io.lines import as_image, is_line, plotted

GAP = 12  # pixels around each image
LEAST = 192  # smallest height of an image in pixels, at which its title is legible
PAPER, INK = (255, 255, 255), (40, 40, 40)


class Shown(NamedTuple):
    """An image to show: its title, its values, (1, C, H, W), and the intensities of black and white."""

    title: str
    x: Tensor
    window: Window = UNIT


def side_by_side(images: Sequence[Shown], *, columns: int | None = None) -> Tensor:
    """Compose images in rows on white, with their titles above.

    An image smaller than the largest is enlarged by the greatest integer factor that fits, without
    interpolation, and centred. A low-resolution measurement therefore shows its own pixels.

    A line below the images names the windows, unless all of them are [0, 1]. Signals, images of one row or one column,
    are drawn as curves in one plot instead.

    Args:
        images: what to show. Images with 2 channels, or more than 3, are shown as the mean of their channels.
        columns: images per row, at least 1; all in one row when absent.

    Returns:
        (1, 3, H', W'), float32.
    """
    if all(is_line(shown.x) for shown in images):
        return as_image(plotted([(shown.title, shown.x) for shown in images]))
    from PIL import Image, ImageDraw, ImageFont

    pixels = [_colours(shown) for shown in images]
    height = max(p.shape[0] for p in pixels)
    width = max(p.shape[1] for p in pixels)
    enlarge = -(-LEAST // height)  # rounded up
    height, width = enlarge * height, enlarge * width
    cell = max(width, LEAST) + GAP
    size = max(13, height // 20)
    bar = 2 * size
    columns = min(columns or len(images), len(images))
    tall, rows = bar + height + GAP, -(-len(images) // columns)
    note = _windows(images)
    page = Image.new("RGB", (columns * cell + GAP, rows * tall + (bar if note else 0)), PAPER)
    pen = ImageDraw.Draw(page)

    def fitting(texts: Sequence[str], room: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        longest = max(pen.textlength(text, ImageFont.load_default(size)) for text in texts)
        return ImageFont.load_default(max(8.0, size * min(1.0, room / max(longest, 1.0))))

    # One font size for all titles, so small that the longest fits its cell.
    font = fitting([shown.title for shown in images], cell - GAP)
    for i, (shown, image) in enumerate(zip(images, pixels, strict=True)):
        row, column = divmod(i, columns)
        top, middle = row * tall, GAP + column * cell + (cell - GAP) // 2
        # An integer factor keeps every pixel square and of its own value.
        factor = min(height // image.shape[0], width // image.shape[1])
        tile = Image.fromarray(image.repeat(factor, 0).repeat(factor, 1))
        page.paste(tile, (middle - tile.width // 2, top + bar + (height - tile.height) // 2))
        pen.text((middle, top + bar / 2), shown.title, INK, font, anchor="mm")
    if note:
        place = (page.width / 2, rows * tall + bar / 2 - GAP / 2)
        pen.text(place, note, INK, fitting([note], page.width - 2 * GAP), anchor="mm")
    values = np.asarray(page, np.float32) / np.float32(255)
    return torch.from_numpy(values.transpose(2, 0, 1).copy())[None]


def _windows(images: Sequence[Shown]) -> str:
    """Return the line about the windows: the one that most images share, then each other; "" if all are [0, 1]."""
    windows = [shown.window for shown in images]
    if all(window == UNIT for window in windows):
        return ""
    # Reversed, so that of two the restoration's wins over the measurement's.
    common = max(reversed(windows), key=windows.count)
    others = [f"{s.title.partition('  ')[0]} {s.window}" for s in images if s.window != common]
    return "; ".join([f"black to white: {common}", *others])


def _colours(shown: Shown) -> NDArray[np.uint8]:
    """Return an image as 8-bit RGB, (H, W, 3)."""
    x = shown.x[0].detach().cpu()
    x = shown.window(x if x.shape[0] == 3 else x.mean(0, keepdim=True).expand(3, -1, -1))
    return (x * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
