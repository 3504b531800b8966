"""One image that shows several images side by side, each under its title."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GAP = 12  # pixels around each image
LEAST = 192  # smallest height of an image in pixels, at which its title is legible
PAPER, INK = (255, 255, 255), (40, 40, 40)


def side_by_side(titled: Sequence[tuple[str, Tensor]], *, columns: int | None = None) -> Tensor:
    """Compose images in rows on white, with their titles above.

    An image smaller than the largest is enlarged by the greatest integer factor that fits, without
    interpolation, and centred. A low-resolution measurement therefore shows its own pixels.

    Args:
        titled: titles and images, (1, C, H, W). Intensities are clipped to [0, 1]. Images with 2
            channels, or more than 3, are shown as the mean of their channels.
        columns: images per row, at least 1; all in one row when absent.

    Returns:
        (1, 3, H', W'), float32.
    """
    from PIL import Image, ImageDraw, ImageFont

    images = [_colours(x) for _, x in titled]
    height = max(p.shape[0] for p in images)
    width = max(p.shape[1] for p in images)
    enlarge = -(-LEAST // height)  # rounded up
    height, width = enlarge * height, enlarge * width
    cell = max(width, LEAST) + GAP
    size = max(13, height // 20)
    bar = 2 * size
    columns = min(columns or len(titled), len(titled))
    tall, rows = bar + height + GAP, -(-len(titled) // columns)
    page = Image.new("RGB", (columns * cell + GAP, rows * tall), PAPER)
    pen = ImageDraw.Draw(page)
    # One font size for all titles, so small that the longest fits its cell.
    longest = max(pen.textlength(title, ImageFont.load_default(size)) for title, _ in titled)
    font = ImageFont.load_default(max(8.0, size * min(1.0, (cell - GAP) / max(longest, 1.0))))
    for i, ((title, _), image) in enumerate(zip(titled, images, strict=True)):
        row, column = divmod(i, columns)
        top, middle = row * tall, GAP + column * cell + (cell - GAP) // 2
        # An integer factor keeps every pixel square and of its own value.
        factor = min(height // image.shape[0], width // image.shape[1])
        tile = Image.fromarray(image.repeat(factor, 0).repeat(factor, 1))
        page.paste(tile, (middle - tile.width // 2, top + bar + (height - tile.height) // 2))
        pen.text((middle, top + bar / 2), title, INK, font, anchor="mm")
    values = np.asarray(page, np.float32) / np.float32(255)
    return torch.from_numpy(values.transpose(2, 0, 1).copy())[None]


def _colours(x: Tensor) -> NDArray[np.uint8]:
    """Return an image (1, C, H, W) as 8-bit RGB, (H, W, 3)."""
    x = x[0].detach().cpu().to(torch.float32).nan_to_num(0.0).clamp(0, 1)
    if x.shape[0] != 3:
        x = x.mean(0, keepdim=True).expand(3, -1, -1)
    return (x * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
