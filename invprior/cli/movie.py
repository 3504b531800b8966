"""The film of a run, `--movie FILE`: the estimate from the first step to the last, as an animated GIF or WebP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from invprior.errors import OptionError
from invprior.io import files
from invprior.io.display import Window, window_of
from invprior.io.lines import is_line, plotted
from invprior.numerics.complex_parts import magnitude
from invprior.problem.solution import Iterate

_MOST, _LARGEST = 40, 512  # frames, and pixels of a side: what a page can show and a run can hold
_FRAME, _LAST = 80, 1500  # milliseconds
_FORMATS = {".gif": "GIF", ".webp": "WEBP"}


def check(path: Path, *, overwrite: bool) -> None:
    """Refuse a film that cannot be written, before the run.

    Raises:
        OptionError: the format is unknown.
        MeasurementError: the file exists, or its place cannot be written to.
    """
    if path.suffix.lower() not in _FORMATS:
        raise OptionError(
            f'The option "movie" must name a file in .gif or .webp; got "{path}". Other programs, such as ffmpeg, '
            "make other formats of these."
        )
    files.writable(path, overwrite=overwrite)


class Movie:
    """A callback that keeps frames, evenly spaced over the steps so far.

    Args:
        path: of the film.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frames: list[Tensor] = []
        self.every, self.count = 1, 0

    def __call__(self, iterate: Iterate) -> None:
        """Keep a frame if its turn has come; with too many, every second one is dropped."""
        self.count += 1
        if (self.count - 1) % self.every:
            return
        self.frames.append(_small(iterate.x))
        if len(self.frames) > _MOST:
            self.frames, self.every = self.frames[::2], 2 * self.every

    def write(self, y: Tensor | None, x: Tensor, *, overwrite: bool) -> None:
        """Write the film: the measurement if it is a picture of the image's size, the frames, and the restoration.

        Raises:
            MeasurementError: the file cannot be written.
        """
        window = window_of(x)
        still = _small(x)
        first = [] if y is None else [_small(y)]
        # Tiles, and runs of other sizes, are no frames of this film.
        frames = [f for f in (*first, *self.frames) if f.shape == still.shape] + [still]
        images = [Image.fromarray(_grey_or_colour(frame, window)) for frame in frames]
        kind = _FORMATS[self.path.suffix.lower()]
        times = [_FRAME] * (len(images) - 1) + [_LAST]
        with files.atomic(self.path, overwrite=overwrite) as file:
            start, *others = images
            start.save(file, kind, save_all=True, append_images=others, duration=times, loop=0)


def _small(x: Tensor) -> Tensor:
    """Return an image on the CPU with sides of at most `_LARGEST` pixels."""
    x = magnitude(x.detach()).float()
    factor = max(x.shape[-2:]) / _LARGEST
    if factor > 1:
        size = [max(1, round(side / factor)) for side in x.shape[-2:]]
        x = torch.nn.functional.interpolate(x, size, mode="area")
    return x.cpu().clone()  # solvers reuse their memory


def _grey_or_colour(x: Tensor, window: Window) -> NDArray[np.uint8]:
    """Return the pixels of (1, C, H, W); the first channel of those that are no colours; of a signal its plot."""
    if is_line(x):
        return plotted([("", x)], window)
    shown = (window(x)[0].nan_to_num(0.0).clamp(0, 1) * 255).round().byte().numpy()
    return np.ascontiguousarray(shown.transpose(1, 2, 0)) if len(shown) == 3 else shown[0]
