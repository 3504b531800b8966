"""The time of a step beside a busy loop, and on an idle machine with and without the choice of how threads wait.

    python benchmarks/busy_core.py [--prior dip tv:weight=8] [--size 128 256] [--rounds 6]

Three cases take turns in one process: threads that spin or sleep by the load, which is what a run does; OpenMP's own
way of waiting; and the first again beside one process that keeps a core busy. The table shows medians of a step and
two ratios, which should be at most 1.03 and 2.5. With --own-busy, OpenMP's own way is run beside the busy process too:
a step then takes up to fifty times as long. Run it on a machine that does nothing else; it prints what others use.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
from common import noisy, read, show, table_of

import invprior
from invprior.numerics import cores, waiting

SIGMA = 25.0  # of 255
SETTLE = 2.0  # seconds until the load is known, and until it is forgotten
CASES = {"idle": (True, False), "own": (False, False), "busy": (True, True)}


def main() -> None:
    options = arguments()
    if reason := waiting.fixed_because():
        raise SystemExit(f"Threads do not follow the load here: {reason}.")
    load = cores.Load()
    time.sleep(1.0)
    show(f"{torch.get_num_threads()} threads, {len(cores.affinity())} cores; before the first run, others use "
         f"{load.others():.2f}.")  # fmt: skip
    cases = CASES | ({"own, busy": (False, True)} if options.own_busy else {})
    names = {"idle": "a step [s]", "own": "OpenMP's own", "busy": "busy loop", "own, busy": "both"}
    table = table_of("prior", "size", *(names[case] for case in cases), "to its own", "to idle")
    for prior, size in zip(options.prior, options.size, strict=True):
        times: dict[str, list[float]] = {case: [] for case in cases}
        for _ in range(options.rounds):
            for case, (following, busy) in cases.items():
                times[case] += steps(prior, size, options.turn, following=following, busy=busy)
        median = {case: statistics.median(found) for case, found in times.items()}
        ratios = median["idle"] / median["own"], median["busy"] / median["idle"]
        seconds = (f"{median[case]:.4f}" for case in cases)
        table.add_row(prior, str(size), *seconds, *(f"{r:.2f}" for r in ratios))
    show(table)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prior", nargs="+", default=["dip", "tv:weight=8"])
    parser.add_argument("--size", nargs="+", type=int, default=[128, 256], help="one a prior")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--turn", type=float, default=4.0, help="seconds of a case in a round")
    parser.add_argument("--own-busy", action="store_true")
    options = parser.parse_args()
    if len(options.prior) != len(options.size):
        parser.error("--prior and --size must have the same number of values")
    return options


def steps(prior: str, size: int, turn: float, *, following: bool, busy: bool) -> list[float]:
    """Return the seconds of each step of a run that begins anew and ends after `turn` seconds."""
    y = noisy(read("sample:astronaut", size), SIGMA, seed=0)
    noise = f"gaussian:sigma={SIGMA / 255}"
    (problem,) = invprior.build(y, operator="denoise", prior=prior, noise=noise, data_range=(0, 1))
    # Without the function of OpenMP's that makes threads sleep, nothing follows the load.
    own = mock.patch.object(waiting, "_parallel", waiting._parallel if following else lambda: None)
    with own, busy_loop() if busy else idle():
        run = invprior.iterate(problem, seed=0)
        found: list[float] = []
        began = before = time.perf_counter()
        while not found or before - began < turn + SETTLE:
            next(run)
            now = time.perf_counter()
            if now - began > SETTLE:
                found.append(now - before)
            before = now
        run.close()  # type: ignore[attr-defined]
    return found


@contextmanager
def busy_loop() -> Iterator[None]:
    """Keep one core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def idle() -> Iterator[None]:
    """Do nothing else."""
    yield


if __name__ == "__main__":
    main()
