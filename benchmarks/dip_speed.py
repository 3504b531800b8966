"""How much sooner the default Deep Image Prior reaches a given quality than the authors' setting.

    python benchmarks/dip_speed.py --image F16.png
    python benchmarks/dip_speed.py --image F16.png --size 512 --noisy noisy25/F16.png --reference curve.csv

Restores one noisy image with `dip` and with `dip:preset=paper`, in short alternating turns, so that both have the
same load on the machine. A side ends when it reaches the target or has used its seconds; with `--full` it continues
after the target. PSNR is that of the averaged output.

With --reference the authors' curve is not computed again: its PSNR over the iterations comes from a CSV file with
the columns step and avg (as this script writes it), measured earlier, for example in bfloat16 or on a GPU. Only its
seconds per iteration are measured here, in turns with ours, over --reference-steps iterations. The time at an
iteration is its number times their median.

Writes the curves as CSV after every round of turns, and plots as PNG and SVG.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import torch
from common import (
    Side,
    curve_plot,
    in_turns,
    noisy,
    ours,
    psnr,
    read,
    save_plot,
    show,
    table_of,
    write_curves,
)
from torch import Tensor

from invprior.io import images


@dataclass(frozen=True)
class Row:
    """The result of one method; that of the reference may come from an earlier curve."""

    name: str
    per_step: float
    steps: list[int]
    decibels: list[float]
    seconds: list[float]

    @property
    def best(self) -> float:
        return max(self.decibels)

    def first(self, target: float) -> tuple[int, float] | None:
        """Return iteration and seconds at which the target is first reached."""
        rows = zip(self.steps, self.seconds, self.decibels, strict=True)
        return next(((step, at) for step, at, db in rows if db >= target), None)


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    truth = read(options.image, options.size)
    y = measurement(truth, options)
    earlier = None if options.reference is None else curve_from(options.reference)
    target = options.target
    if target is None:
        target = 30.4 if earlier is None else max(db for _, db in earlier)
    reference = options.prior[-1]
    for name in options.prior:  # the first call of a library initialises it
        next(ours(y[..., :32, :32], name, options.sigma, options.seed))

    def until(side: Side) -> bool:
        if earlier is not None and side.name == reference:
            return len(side.curve) >= options.reference_steps
        reached = side.reached(target) is not None and not options.full
        return reached or side.seconds >= options.seconds

    sides = [
        Side(name, ours(y, name, options.sigma, options.seed), truth, until)
        for name in options.prior
    ]
    in_turns(sides, lambda: write_curves(options.output, sides), options.turn)
    if not all(side.curve for side in sides):
        raise SystemExit("Not every side has finished an iteration: there is nothing to compare.")
    rows = [own_row(side) for side in sides]
    if earlier is not None:
        steps, decibels = map(list, zip(*earlier, strict=True))
        per_step = rows[-1].per_step
        rows[-1] = Row(reference, per_step, steps, decibels, [k * per_step for k in steps])
    report(rows, target, psnr(y, truth), options)
    plot(rows, target, options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", default="sample:astronaut", help="a file or sample:NAME")
    parser.add_argument("--size", type=int, default=256, help="the central square is reduced to it")
    parser.add_argument("--sigma", type=float, default=25.0, help="noise, of 255")
    parser.add_argument("--noisy", type=Path, help="use this noisy image, of that size")
    parser.add_argument("--no-clip", action="store_true", help="neither clip nor round the noise")
    priors = ["dip", "dip:preset=paper"]
    parser.add_argument("--prior", nargs="+", default=priors, help="the last is the reference")
    parser.add_argument(
        "--target", type=float, help="PSNR in dB; 30.4, or the best of --reference's curve"
    )
    parser.add_argument("--seconds", type=float, default=2400.0, help="at most, per side")
    parser.add_argument("--full", action="store_true", help="go on after the target")
    parser.add_argument("--turn", type=float, default=10.0, help="seconds of a turn")
    parser.add_argument("--reference", type=Path, help="the last prior's curve, measured earlier")
    parser.add_argument("--reference-steps", type=int, default=6, help="iterations to time it by")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("dip_speed.csv"))
    options = parser.parse_args()
    if options.reference is not None and options.reference.resolve() == options.output.resolve():
        parser.error("--output would overwrite --reference; name another file")
    if options.reference_steps < 3:
        parser.error("--reference-steps must be at least 3, for a median")
    return options


def measurement(truth: Tensor, options: argparse.Namespace) -> Tensor:
    """Read the noisy image, or make one by the paper's protocol."""
    if options.noisy is None:
        return noisy(truth, options.sigma, seed=options.seed, clip=not options.no_clip)
    y = images.load(options.noisy).x
    if y.shape != truth.shape:
        raise SystemExit(
            f"{options.noisy} is {tuple(y.shape)}, the image at --size {options.size} "
            f"{tuple(truth.shape)}: they must match."
        )
    return y


def curve_from(path: Path) -> list[tuple[int, float]]:
    """Read (step, PSNR) of the last method in a file that this script has written."""
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("step") and row.get("avg")]
    if not rows:
        raise SystemExit(f"{path} has no rows with the columns step and avg.")
    name = rows[-1].get("method")
    return [(int(row["step"]), float(row["avg"])) for row in rows if row.get("method") == name]


def own_row(side: Side) -> Row:
    steps, seconds, decibels = map(list, zip(*side.curve, strict=True))
    return Row(side.name, side.per_step, steps, decibels, seconds)


def report(rows: list[Row], target: float, measured: float, options: argparse.Namespace) -> None:
    noise = options.noisy or f"sigma {options.sigma:g}{', not clipped' * options.no_clip}"
    size, threads = f"{options.size}x{options.size}", f"{options.threads} threads"
    title = f"{options.image}, {size}, {noise}: {measured:.2f} dB; {threads}, {torch.__version__}"
    table = table_of(
        "prior",
        "s an iteration",
        "iterations",
        "best [dB]",
        f"iterations to {target:.2f} dB",
        f"seconds to {target:.2f} dB",
    )
    for row in rows:
        first = row.first(target)
        when = ("not reached", "") if first is None else (str(first[0]), f"{first[1]:.1f}")
        values = f"{row.per_step:.4f}", str(row.steps[-1]), f"{row.best:.2f}"
        table.add_row(row.name, *values, *when)
    show(title, table)
    *own, reference = rows
    if options.reference is not None:
        origin = f"{reference.name}: PSNR over the iterations from {options.reference}"
        show(f"{origin}; its time an iteration measured here.")
    theirs = reference.first(target)
    for row in own:
        text = f"{row.name}: an iteration takes 1/{reference.per_step / row.per_step:.1f} of {reference.name}'s"
        if (first := row.first(target)) is not None:
            least = reference.seconds[-1] if theirs is None else theirs[1]
            more = "more than " * (theirs is None)
            text += f"; it reaches {target:.2f} dB {more}{least / first[1]:.1f} times sooner"
        show(f"{text}.")


def plot(rows: list[Row], target: float, options: argparse.Namespace) -> None:
    title = f"Denoising, sigma {options.sigma:g}, {options.size} x {options.size}"
    marks = [first[1] for row in rows if (first := row.first(target)) is not None]
    figure = curve_plot([(row.name, row.seconds, row.decibels) for row in rows], title, marks)
    (axes,) = figure.axes
    axes.axhline(target, color="#999999", linewidth=0.7, linestyle=":")
    axes.set_ylabel("PSNR of the average [dB]")
    save_plot(figure, options.output)


if __name__ == "__main__":
    main()
