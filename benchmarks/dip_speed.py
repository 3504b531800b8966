"""How much sooner the default Deep Image Prior reaches a given quality than the authors' setting.

Restores one noisy picture with `dip` and with `dip:preset=paper`, in short turns one after the
other, so that both see the same machine, and prints seconds per iteration, time to the target PSNR
and their ratio. The curves go to a CSV file, and to a PNG beside it when matplotlib is installed.

    python benchmarks/dip_speed.py --seconds 1800 --target 30.4

A side ends when it reaches the target or has used up its seconds; `--full` lets it go on after
the target.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import invprior
from invprior import samples
from invprior.metrics.psnr import PSNR

TURN = 10.0  # seconds


@dataclass
class Side:
    """One setting's run: its open loop and the curve so far."""

    name: str
    loop: Iterator[invprior.Iterate]
    options: argparse.Namespace
    seconds: float = 0.0
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    reached: float | None = None

    @property
    def done(self) -> bool:
        spent = self.seconds >= self.options.seconds
        return spent or (self.reached is not None and not self.options.full)

    @property
    def per_step(self) -> float:
        """Median over the iterations: other programs' bursts do not count."""
        times = torch.tensor([0.0, *(at for _, at, _ in self.curve)], dtype=torch.float64)
        return float(times.diff().median())

    def turn(self, truth: torch.Tensor) -> None:
        """Iterate for some seconds; the scoring's time does not count."""
        ends = self.seconds + TURN
        while self.seconds < ends and not self.done:
            began = time.perf_counter()
            now = next(self.loop)
            self.seconds += time.perf_counter() - began
            psnr = float(PSNR().measure(now.x, truth))
            self.curve.append((now.step, self.seconds, psnr))
            if self.reached is None and psnr >= self.options.target:
                self.reached = self.seconds


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    truth = reduced(samples.resolve(options.picture).x, options.size)
    noise = f"gaussian:sigma={options.sigma / 255}"
    y, _ = invprior.simulate(
        truth, operator="denoise", noise=noise, seed=options.seed, device="cpu"
    )
    for name in options.prior:  # the libraries' first call sets up much
        next(run(name, y[..., :32, :32], noise, options.seed))
    sides = [Side(name, run(name, y, noise, options.seed), options) for name in options.prior]
    while not all(side.done for side in sides):
        for side in sides:
            side.turn(truth)
    report(sides, float(PSNR().measure(y, truth)), options)
    write(sides, options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--picture", default="sample:astronaut", help="a file or sample:NAME")
    parser.add_argument("--size", type=int, default=256, help="the middle square is reduced to it")
    parser.add_argument("--sigma", type=float, default=25.0, help="noise, of 255")
    priors = ["dip", "dip:preset=paper"]
    parser.add_argument("--prior", nargs="+", default=priors, help="the last is the reference")
    parser.add_argument("--target", type=float, default=30.4, help="PSNR in dB")
    parser.add_argument("--seconds", type=float, default=1800.0, help="at most, per side")
    parser.add_argument("--full", action="store_true", help="go on after the target")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("dip_speed.csv"))
    return parser.parse_args()


def reduced(x: torch.Tensor, size: int) -> torch.Tensor:
    """Bring the middle square to size x size by Pillow's Lanczos filter, in 8 bits as in a file."""
    side = min(x.shape[-2:])
    top, left = ((n - side) // 2 for n in x.shape[-2:])
    square = (x[0, :, top : top + side, left : left + side] * 255).round().to(torch.uint8)
    planes = [
        Image.fromarray(c).resize((size, size), Image.Resampling.LANCZOS) for c in square.numpy()
    ]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes]))[None].float() / 255


def run(prior: str, y: torch.Tensor, noise: str, seed: int) -> Iterator[invprior.Iterate]:
    (problem,) = invprior.build(y, operator="denoise", prior=prior, noise=noise)
    return invprior.iterate(problem, "adam", seed=seed)


def report(sides: list[Side], measured: float, options: argparse.Namespace) -> None:
    size, until = f"{options.size}x{options.size}", f"s to {options.target:g} dB"
    print(f"{options.picture}, {size}, sigma {options.sigma:g}: measurement {measured:.2f} dB")
    print(f"{'prior':24} {'s/iteration':>12} {'iterations':>11} {'best dB':>8} {until:>14}")
    for side in sides:
        best = max(psnr for *_, psnr in side.curve)
        reached = "not reached" if side.reached is None else f"{side.reached:.1f}"
        figures = f"{side.per_step:12.4f} {len(side.curve):11} {best:8.2f} {reached:>14}"
        print(f"{side.name:24} {figures}")
    reference = sides[-1]
    for side in sides[:-1]:
        ratio = reference.per_step / side.per_step
        print(f"{side.name}: an iteration takes 1/{ratio:.1f} of {reference.name}'s", end="")
        if side.reached is not None:
            least = reference.reached or reference.seconds
            more = "" if reference.reached is not None else "more than "
            print(f"; it reaches the target {more}{least / side.reached:.1f} times sooner", end="")
        print(".")


def write(sides: list[Side], options: argparse.Namespace) -> None:
    with options.output.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["prior", "iteration", "seconds", "psnr"])
        for side in sides:
            for step, at, psnr in side.curve:
                rows.writerow([side.name, step, f"{at:.4f}", f"{psnr:.4f}"])
    print(f"wrote {options.output}")
    if importlib.util.find_spec("matplotlib") is None:
        print("no plot: matplotlib is not installed")
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    for side in sides:
        _, at, psnr = zip(*side.curve, strict=True)
        axes.plot(at, psnr, label=side.name)
    axes.axhline(options.target, color="grey", linewidth=0.5)
    axes.set(xscale="log", xlabel="seconds", ylabel="PSNR of the average (dB)")
    axes.legend()
    plot = options.output.with_suffix(".png")
    figure.savefig(plot, dpi=150)
    print(f"wrote {plot}")


if __name__ == "__main__":
    main()
