"""The time of a solver's step, compared with the same step written by hand.

    python benchmarks/solver_overhead.py [--size 256] [--rounds 40]

Both sides run alternately in one process, a few steps at a time. The table shows medians and their ratio. Two runs
of the same code differ by one or two percent, so the last digit needs repetitions.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from rich.console import Console
from rich.table import Table

import invprior
from invprior import samples
from invprior.problem.problem import Problem
from invprior.solvers.adam import Adam


def by_hand_fista(problem: Problem) -> Iterator[torch.Tensor]:
    """Run FISTA with restart, as in a notebook."""
    operator, y, precision = problem.operator, problem.y, problem.fidelity.precision
    (term,) = problem.prior.terms
    step = 1 / (precision * operator.norm() ** 2)
    x = point = problem.initial_estimate()
    t = 1.0
    while True:
        gradient = operator.adjoint((operator(point) - y) * precision)
        new = term.functional.prox(point - step * gradient, step * term.weight)
        if float(((point - new) * (new - x)).sum()) > 0:
            t, point = 1.0, new
        else:
            faster = (1 + (1 + 4 * t * t) ** 0.5) / 2
            point = new + (t - 1) / faster * (new - x)
            t = faster
        x = new
        yield x


def by_hand_dip(problem: Problem) -> Iterator[torch.Tensor]:
    """Run Deep Image Prior's loop: forward, loss, backward, Adam, running average."""
    prior, options = problem.reparameterization, Adam().completed(problem)
    network = prior.build(problem.initial_estimate(), torch.Generator().manual_seed(0))
    adam = torch.optim.Adam(network.parameters(), lr=options.lr, fused=True)
    scale = 0.5 * problem.fidelity.precision
    average = None
    while True:
        output = network()
        loss = scale * (problem.operator(output) - problem.y).square().sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
        output = output.detach()
        average = output if average is None else output.lerp(average, options.average)
        yield average


def median_seconds(
    sides: dict[str, Callable[[], Iterator[object]]], steps: int, rounds: int
) -> dict[str, float]:
    """Time the sides alternately; return the median seconds of a step.

    Every round starts new runs, because the place of a run's memory changes its speed by several percent.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        runs = {name: begin() for name, begin in sides.items()}
        for run in runs.values():  # warm-up: plans, caches, first allocations
            for _ in itertools.islice(run, 3):
                pass
        for turn in range(4):
            for name in list(runs)[:: 1 if (number + turn) % 2 else -1]:
                began = time.perf_counter()
                for _ in itertools.islice(runs[name], steps):
                    pass
                times[name].append((time.perf_counter() - began) / steps)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    truth = samples.load("astronaut", options.size).x
    cases: list[tuple[str, str, str, str, Callable[[Problem], Iterator[torch.Tensor]], int]] = [
        ("FISTA", "blur", "wavelet", "fista", by_hand_fista, 10),
        ("DIP", "denoise", "dip", "adam", by_hand_dip, 3),
    ]
    table = Table("step", "by hand [ms]", "invprior [ms]", "ratio", box=None)
    for name, operator, prior, solver, by_hand, steps in cases:
        noise = "gaussian:sigma=0.02"
        y, made = invprior.simulate(truth, operator=operator, noise=noise)
        (problem,) = invprior.build(y, operator=made, prior=prior, noise=noise, data_range=(0, 1))
        sides: dict[str, Callable[[], Iterator[object]]] = {
            "hand": partial(by_hand, problem),
            "ours": partial(invprior.iterate, problem, solver),
        }
        found = median_seconds(sides, steps, options.rounds)
        ratio = f"{found['ours'] / found['hand']:.3f}"
        table.add_row(name, f"{1e3 * found['hand']:.2f}", f"{1e3 * found['ours']:.2f}", ratio)
    Console().print(table)


if __name__ == "__main__":
    main()
