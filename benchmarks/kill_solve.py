"""Kill `invprior solve` at random moments and resume it: the same bits must come out, and no file must be left over.

    python benchmarks/kill_solve.py [--kills 100] [--seed 0] [--only tiles]

Each try runs one of five kinds: tiles, several runs, a hold-out, a search for a weight, a stack. It ends by kill -9
once or more, each time at another moment, and is resumed if it has left what that takes. Every second try begins in
the folder of another killed run, of other steps, and overwrites it. The commands run in forks of one process, since a
start of Python would take most of the time and most of the kills.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

torch.set_num_threads(1)  # a fork has no threads, and the bits depend on their number

import invprior  # noqa: E402
from invprior import samples  # noqa: E402
from invprior.cli import main as invprior_main  # noqa: E402
from invprior.cli import several  # noqa: E402, F401  (each fork would import it anew)

NET = "dip:net=skip(down=[4],up=[4],skip=0),members=1,precision=full"
NOISE = ["--noise", "gaussian:sigma=0.05"]
# The options of each kind, and the number of steps; a stale run takes another one.
KINDS: dict[str, tuple[list[str], int]] = {
    "tiles": (["wide.npy", "--prior", NET, *NOISE, "--memory-limit", "LIMIT"], 6),
    "runs": (["y.npy", "--prior", NET, *NOISE, "--runs", "3"], 8),
    "hold-out": (["y.npy", "--prior", NET, *NOISE, "--stop", "holdout:every=4,patience=2"], 20),
    "weights": (["small.npy", "--prior", "tv", "--weight", "holdout", *NOISE], 40),
    "stack": (["stack.npy", "--prior", "tv:weight=8", "--solver", "fista", *NOISE], 15),
}
INPUTS = ("y.npy", "small.npy", "wide.npy", "stack.npy")
VOLATILE = ("seconds", "tuning_seconds", "command", "directory", "memory")


@dataclass
class Ended:
    """How a command ended: its exit code, -9 when it was killed, and what it printed."""

    code: int
    text: str
    seconds: float


def run(words: Sequence[str], folder: Path, kill_after: float | None = None) -> Ended:
    """Run `invprior` in a fork, and kill it after some seconds."""
    began = time.perf_counter()
    log = folder.with_suffix(".log")
    log.touch()
    child = os.fork()
    if child == 0:
        _be_command(words, folder, log)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if kill_after is not None and time.perf_counter() - began > kill_after:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            break
        time.sleep(0.0005)
    return Ended(os.waitstatus_to_exitcode(status), log.read_text(), time.perf_counter() - began)


def _be_command(words: Sequence[str], folder: Path, log: Path) -> None:
    """Become the command; never returns."""
    code = 70
    try:
        os.chdir(folder)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.argv = ["invprior", *words]
        invprior_main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def inputs(folder: Path) -> None:
    """Write the images."""
    rng = np.random.default_rng(0)
    image = samples.load("camera", 48).x[0, 0].numpy()
    noisy = (image + 0.05 * rng.normal(size=image.shape)).astype(np.float32)
    np.save(folder / "y.npy", noisy[:32, :32])
    np.save(folder / "small.npy", noisy[:16, :16])
    np.save(folder / "wide.npy", np.tile(noisy, (1, 6))[:, :288])
    np.save(folder / "stack.npy", np.stack([noisy[:24, :24], noisy[24:, :24], noisy[:24, 24:]]))


def content(folder: Path) -> dict[str, Any]:
    """Return what a run has written, by name; of a record, what two runs of one command share."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.name not in INPUTS):
        name = str(path.relative_to(folder))
        if path.suffix == ".json":
            found[name] = stable(json.loads(path.read_text()))
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found


def stable(value: Any) -> Any:
    """Leave out the times."""
    if isinstance(value, dict):
        return {k: stable(v) for k, v in value.items() if k not in VOLATILE}
    return [stable(v) for v in value] if isinstance(value, list) else value


def resumable(folder: Path, words: Sequence[str]) -> bool:
    """Return whether the folder holds the unfinished run of this command, and not of the stale one."""
    for name in ("run.json", "stack.json"):
        if (path := folder / "x.checkpoint" / name).is_file():
            return bool(json.loads(path.read_text())["command"] == list(words))
    return False


def one_try(
    words: list[str], stale: list[str] | None, whole: Ended, chance: random.Random, folder: Path
) -> tuple[int, Ended]:
    """Kill and resume one run until it ends; return the number of kills and how the last command ended."""
    if stale is not None:
        run(stale, folder, chance.random() * whole.seconds)
    kills = 0
    while True:
        command = words
        if resumable(folder, words):
            command = ["solve", "--resume", "x.checkpoint", "--quiet"]
        left = None if kills and chance.random() < 0.5 else chance.random() * 1.05 * whole.seconds
        ended = run(command, folder, left)
        if ended.code != -signal.SIGKILL:
            return kills, ended
        kills += 1


def fault(expected: dict[str, Any], found: dict[str, Any], ended: Ended) -> str | None:
    """Return what is wrong after a try, or None."""
    if ended.code != 0:
        return f"exit code {ended.code}: {ended.text.strip()[-300:]}"
    if found.keys() != expected.keys():
        return f"other files: {sorted(found.keys() ^ expected.keys())}"
    differing = [name for name in found if found[name] != expected[name]]
    return f"other content of {', '.join(differing)}" if differing else None


def limit_for_tiles(words: list[str], folder: Path) -> list[str]:
    """Fill in the smallest memory limit, which takes tiles."""
    tried = ["1kB" if word == "LIMIT" else word for word in words]
    text = run(tried, folder).text
    smallest = text.partition("must be at least ")[2].partition(" for this run")[0]
    assert smallest, text
    return [smallest.replace(" ", "") if word == "LIMIT" else word for word in words]


def main() -> int:
    """Run the tries, print what was found, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", choices=KINDS, action="append", help="kinds to try")
    given = parser.parse_args()
    chance, kinds = random.Random(given.seed), given.only or list(KINDS)
    counts: Counter[str] = Counter()
    faults: list[str] = []
    # What this imports, each fork would import anew.
    invprior.solve(torch.rand(1, 1, 16, 16), prior=NET, noise="gaussian:sigma=0.1", steps=1)
    with tempfile.TemporaryDirectory() as place:
        base = Path(place)
        prepared = {kind: prepare(kind, base) for kind in kinds}
        number = 0
        while sum(counts.values()) < given.kills:
            kind = kinds[number % len(kinds)]
            words, stale, whole, expected = prepared[kind]
            folder = base / f"try-{number}"
            folder.mkdir()
            inputs(folder)
            old = stale if number // len(kinds) % 2 else None
            kills, ended = one_try(words, old, whole, chance, folder)
            counts[kind] += kills
            if (wrong := fault(expected, content(folder), ended)) is not None:
                faults.append(f"{kind}, try {number}: {wrong}")
                print(faults[-1], flush=True)
            number += 1
    each = ", ".join(f"{kind} {counts[kind]}" for kind in kinds)
    print(f"{sum(counts.values())} kills in {number} tries ({each}): {len(faults)} faults")
    return 1 if faults else 0


def prepare(kind: str, base: Path) -> tuple[list[str], list[str], Ended, dict[str, Any]]:
    """Return the command of a kind, that of a stale run, and how a run ends that is not killed."""
    folder = base / kind
    folder.mkdir()
    inputs(folder)
    options, steps = KINDS[kind]
    words = ["solve", *options, "--quiet", "--overwrite", "-o", "x.npy", "--checkpoint-every", "0"]
    if "LIMIT" in words:
        words = limit_for_tiles(words, folder)
    run([*words, "--steps", "2"], folder)  # fills caches
    command = [*words, "--steps", str(steps)]
    whole = run(command, folder)
    assert whole.code == 0, whole.text
    return command, [*words, "--steps", str(steps // 2)], whole, content(folder)


if __name__ == "__main__":
    sys.exit(main())
