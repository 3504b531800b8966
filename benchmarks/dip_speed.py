"""How much sooner the default Deep Image Prior reaches a given quality than the authors' setting.

Restores one noisy picture with `dip` and with `dip:preset=paper`, in short turns one after the other, so that both see the
same machine, and prints seconds per iteration, time to the target PSNR and their ratio. The curves go to a CSV file,
and to a PNG beside it when matplotlib is installed.

    python benchmarks/dip_speed.py --seconds 300 --target 30.4
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

import invprior
from invprior import samples
from invprior.metrics.psnr import PSNR


@dataclass
class Side:
    """One setting's run: its open loop and the curve so far."""

    name: str
    loop: Iterator[invprior.Iterate]
    budget: float
    seconds: float = 0.0
    step: int = 0
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    reached: float | None = None

    def turn(self, length: float, truth: torch.Tensor, target: float) -> None:
        """Iterate for some seconds; the time of the scoring does not count."""
        ends = min(self.seconds + length, self.budget)
        while self.seconds < ends and self.reached is None:
            began = time.perf_counter()
            now = next(self.loop)
            self.seconds += time.perf_counter() - began
            self.step = now.step
            psnr = float(PSNR().measure(now.x, truth))
            self.curve.append((now.step, self.seconds, psnr))
            if psnr >= target:
                self.reached = self.seconds

    @property
    def done(self) -> bool:
        return self.reached is not None or self.seconds >= self.budget

    @property
    def per_step(self) -> float:
        """Median over the iterations: other programs' bursts do not count."""
        times = torch.tensor([0.0, *(seconds for _, seconds, _ in self.curve)], dtype=torch.float64)
        return float(times.diff().median())


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    truth = samples.resolve(options.picture).x
    if truth.shape[-1] != options.size:
        truth = reduced(truth, options.size)
    noise = f"gaussian:sigma={options.sigma / 255}"
    y = invprior.simulate(truth, noise=noise, seed=options.seed) if False else None
    del y
