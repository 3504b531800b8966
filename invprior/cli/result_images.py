"""The images that `solve` writes beside the restoration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from invprior.io import encoders
from invprior.io.display import window_of
from invprior.io.lines import as_image, is_line, plotted
from invprior.io.montage import Shown, side_by_side
from invprior.io.save import save, save_numbers, save_stack
from invprior.operators.base import Operator
from invprior.operators.imaging import measures_images
from invprior.problem.estimates import pseudo_inverse
from invprior.problem.solution import Solution


def save_measurements(
    path: Path, y: Sequence[Tensor], *, signal: bool = False, overwrite: bool
) -> None:
    """Write simulated measurements, as floats where the format has them: noise leaves [0, 1].

    Args:
        path: the file.
        y: the measurements, (1, C, H, W) or of another shape.
        signal: whether one of one row is written with one dimension.
        overwrite: whether an existing file may be replaced.
    """
    if signal and all(one.shape[1:-1].numel() == 1 for one in y):
        y = [one.flatten() for one in y]
        save_stack(path, y, overwrite=overwrite)
        return
    if any(one.dim() != 4 for one in y):
        save_numbers(path, torch.cat(list(y)), overwrite=overwrite)
        return
    floats = "float32" in encoders.DEPTHS[encoders.suffix_of(path) or ""]
    save_stack(path, y, depth="float32" if floats else None, overwrite=overwrite)


def save_comparison(
    path: Path, y: Tensor, x: Tensor, truth: Tensor | None, operator: Operator, *, overwrite: bool
) -> None:
    """Write the measurement, the restoration and the truth side by side, in one window of intensities.

    A measurement that is no picture, such as a sinogram, is shown by its pseudo-inverse. Signals are curves in a
    plot.
    """
    name = "measurement"
    if not measures_images(operator, y):
        name, y = "pseudo-inverse", pseudo_inverse(operator, y)
    elif is_line(x) and operator.observation_mask is not None:
        # A curve would fall to 0 where nothing is measured.
        y = y.masked_fill(~operator.observation_mask, torch.nan)
    window = window_of(x if truth is None else truth)
    panels = [
        Shown(name, y, window.for_measurement(y)),
        Shown("restoration", x, window),
        *([] if truth is None else [Shown("truth", truth, window)]),
    ]
    save(path, side_by_side(panels), overwrite=overwrite)


def save_deviation(path: Path, deviation: Tensor, *, overwrite: bool) -> None:
    """Write the deviation of several runs as grey values, whose white is its maximum; that of a signal as a curve."""
    shown = grey(deviation)
    if is_line(shown):
        save(path, as_image(plotted([("standard deviation", shown)])), overwrite=overwrite)
        return
    save(path, shown / shown.max().clamp_min(1e-12), overwrite=overwrite)  # equal runs deviate by 0


def grey(deviation: Tensor) -> Tensor:
    """Return the root mean square over the channels, (1, 1, H, W)."""
    return deviation.square().mean(1, keepdim=True).sqrt()


def spread(solution: Solution) -> dict[str, float] | None:
    """Return the deviation of the runs: its maximum, which the file shows as white, and its RMS."""
    if solution.deviation is None:
        return None
    shown = grey(solution.deviation)
    return {"white": float(shown.max()), "rms": float(shown.square().mean().sqrt())}
