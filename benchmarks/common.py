"""Shared by the benchmarks: images and noise, methods that run in turns, tables and plots."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import Tensor

import invprior
from invprior import samples
from invprior.errors import InvpriorError
from invprior.metrics.psnr import PSNR
from invprior.operators.base import LinearOperator

R = TypeVar("R")
TURN = 10.0  # seconds of a method's turn
# Okabe and Ito's colours, which are distinct with any colour vision; each has its own dash for print.
STYLES: Sequence[tuple[str, Any]] = (
    ("#0072B2", "-"),
    ("#D55E00", (0, (5, 1.5))),
    ("#009E73", "-."),
    ("#CC79A7", (0, (1, 1))),
)


def to_pillow(x: Tensor) -> Image.Image:
    """Round (1, C, H, W) in [0, 1] to an 8-bit image."""
    array = (x[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def from_pillow(image: Image.Image) -> Tensor:
    """Turn an 8-bit image into (1, C, H, W) in [0, 1]."""
    array = np.atleast_3d(np.array(image))  # a copy, which torch may write to
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))[None].float() / 255


def resized(x: Tensor, height: int, width: int, how: Image.Resampling) -> Tensor:
    """Resize with Pillow, in 8 bits as in a file."""
    if tuple(x.shape[-2:]) == (height, width):
        return x
    return from_pillow(to_pillow(x).resize((width, height), how))


def cropped(x: Tensor, height: int, width: int) -> Tensor:
    """Crop around the centre."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width].contiguous()


def read(source: str, size: int | None = None) -> Tensor:
    """Read a file or sample:NAME; with a size, reduce its central square with Pillow's Lanczos filter."""
    x = samples.resolve(source).x
    if size is None:
        return x
    side = min(x.shape[-2:])
    return resized(cropped(x, side, side), size, size, Image.Resampling.LANCZOS)


def noisy(truth: Tensor, sigma: float, *, seed: int, clip: bool = True) -> Tensor:
    """Add Gaussian noise, sigma of 255; with `clip`, clipped and rounded to 8 bits as in the paper's files."""
    noise = f"gaussian:sigma={sigma / 255},quantise={str(clip).lower()}"
    return invprior.simulate(truth, operator="denoise", noise=noise, seed=seed, device="cpu")[0]


def psnr(x: Tensor, truth: Tensor) -> float:
    """Score one image, in dB, over all channels and pixels."""
    return float(PSNR().measure(x, truth))


def ours(y: Tensor, prior: str, sigma: float, seed: int) -> Iterator[Tensor]:
    """Denoise with our open loop, sigma of 255; yield what a run would return after each iteration."""
    noise = f"gaussian:sigma={sigma / 255}"
    (problem,) = invprior.build(y, operator="denoise", prior=prior, noise=noise, data_range=(0, 1))
    return (now.x for now in invprior.iterate(problem, seed=seed))


@dataclass
class Side:
    """The run of one method: its open loop, its clock and the curve so far.

    Attributes:
        name: of the method.
        loop: yields the estimate after each iteration.
        truth: the image without noise.
        until: whether the side may end, from the side itself.
        seconds: spent in the loop; scoring does not count.
        curve: iteration, seconds so far and PSNR in dB.
        fault: the error that ended the run, if any.
    """

    name: str
    loop: Iterator[Tensor]
    truth: Tensor
    until: Callable[[Side], bool]
    seconds: float = 0.0
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    fault: str | None = None

    @property
    def done(self) -> bool:
        return self.fault is not None or self.until(self)

    @property
    def best(self) -> float:
        return max((score for *_, score in self.curve), default=float("nan"))

    @property
    def per_step(self) -> float:
        """Median over the iterations, which bursts of other programs do not affect."""
        times = torch.tensor([0.0, *(at for _, at, _ in self.curve)], dtype=torch.float64)
        return float(times.diff().median())

    def reached(self, target: float) -> float | None:
        """Return the seconds until the PSNR first reached the target."""
        return next((at for _, at, score in self.curve if score >= target), None)

    def turn(self, length: float) -> None:
        """Iterate for some seconds, and at least once."""
        ends = self.seconds + length
        while self.seconds < ends and not self.done:
            began = time.perf_counter()
            try:
                x = next(self.loop)
            except InvpriorError as error:  # the other sides go on
                self.fault = str(error)
                return
            self.seconds += time.perf_counter() - began
            self.curve.append((len(self.curve) + 1, self.seconds, psnr(x, self.truth)))


def in_turns(sides: Sequence[Side], save: Callable[[], object], length: float = TURN) -> None:
    """Run all sides in turns, so that they have the same load; save after every round, stop at Ctrl-C."""
    try:
        while not all(side.done for side in sides):
            for side in sides:
                side.turn(length)
            save()
    except KeyboardInterrupt:
        print("interrupted; these are the results so far")
    for side in sides:
        if side.fault:
            print(f"{side.name} failed after {len(side.curve)} iterations: {side.fault}")


def write_curves(path: Path, sides: Iterable[Side]) -> None:
    """Write all curves as a CSV file."""
    header = ("method", "step", "seconds", "avg")
    rows = [(s.name, k, f"{at:.4f}", f"{db:.4f}") for s in sides for k, at, db in s.curve]
    write_csv(path, header, rows)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)
    partial.replace(path)


def table_of(*columns: str) -> Table:
    """Return an empty plain table."""
    table = Table(box=None)
    for column in columns:
        table.add_column(escape(column), overflow="fold")
    return table


def show(*parts: Table | str) -> None:
    """Print tables and sentences at least 120 columns wide, also into a log file."""
    console = Console()
    console = Console(width=max(console.width, 120))
    for part in parts:
        text = isinstance(part, str)
        console.print(part, highlight=False, markup=not text, soft_wrap=text)


def curve_plot(
    curves: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    title: str,
    marks: Sequence[float] = (),
) -> Figure:
    """Draw PSNR over seconds for curves (name, seconds, dB), with vertical lines at the times in `marks`."""
    figure = Figure(figsize=(7.0, 4.4), layout="constrained")
    axes = figure.subplots()
    for (name, seconds, decibels), (colour, dash) in zip(curves, STYLES, strict=False):
        axes.plot(seconds, decibels, color=colour, linestyle=dash, label=name)
    for mark in marks:
        axes.axvline(mark, color="#999999", linewidth=0.7, linestyle=":")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())  # minor labels would overlap
    axes.set(xlabel="time [s]", ylabel="PSNR of the estimate [dB]", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.legend(frameon=False, loc="lower right")
    return figure


def save_plot(figure: Figure, table: Path) -> None:
    """Save a figure as PNG and SVG next to its CSV file."""
    for suffix in (".png", ".svg"):
        figure.savefig(table.with_suffix(suffix), dpi=160)
    print(f"wrote {table}, and .png and .svg next to it")


def stored(path: Path, kind: type[R]) -> list[R]:
    """Read the rows of a CSV file that `append` wrote, of strings, numbers and booleans; none without a file."""
    if not path.exists():
        return []
    make: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "bool": "True".__eq__}
    types = {f.name: make.get(str(f.type), str) for f in fields(kind)}
    with path.open(newline="") as file:
        return [kind(**{k: types[k](v) for k, v in row.items()}) for row in csv.DictReader(file)]


def append(path: Path, row: Any) -> None:
    """Append the values of a dataclass to a CSV file with a header, so that an interrupted run keeps finished rows."""
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(row)])
        if fresh:
            writer.writeheader()
        writer.writerow(asdict(row))


@contextmanager
def counted(kind: type[LinearOperator], pixels: int) -> Iterator[list[float]]:
    """Count the applications of an operator's class in [0]: of an image of full size, a closed form as two."""
    count, inside = [0.0], [False]
    methods = {"forward": 1, "adjoint": 1, "normal": 2, "solve_damped": 2}
    kept = {name: getattr(kind, name) for name in methods}
    own = {name for name in methods if name in vars(kind)}

    def counting(name: str) -> Callable[..., Tensor]:
        def call(self: LinearOperator, x: Tensor, *rest: float) -> Tensor:
            if inside[0] or (name == "solve_damped" and not self.direct):
                return kept[name](self, x, *rest)
            count[0] += methods[name] * len(x) * math.prod(self.image_shape) / pixels
            inside[0] = True
            try:
                return kept[name](self, x, *rest)
            finally:
                inside[0] = False

        return call

    for name in kept:
        setattr(kind, name, counting(name))
    try:
        yield count
    finally:
        for name, method in kept.items():
            if name in own:
                setattr(kind, name, method)
            else:
                delattr(kind, name)
