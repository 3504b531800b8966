"""kill -9 of `invprior matrix run` at random moments: the same final bits, and nothing left behind.

    python benchmarks/kill_matrix.py --kills 20

A run is started, and at a random moment one of its processes is killed: the run itself, its fork server, a worker, a
cell, or all of them at once. It is started again until enough were killed. A run that ends before its kill is compared
with one that nobody disturbed, and the next begins in a new folder. Exit code 1 if a record or an image differs, if a
process or a temporary file is left, or if a record is damaged.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil

from invprior.matrix.results import record
from invprior.matrix.results.store import Store

TEXT = """
images = ["sample:camera:32"]
noises = ["gaussian:sigma=0.05"]
priors = [
    "tv:weight=8", { label = "tuned", prior = "tikhonov", weights = "tuned" },
    { label = "DIP", prior = "dip:net=skip(down=[4]),members=1", steps = 20 }, { simple = "measurement" },
]
metrics = ["psnr"]
seeds = [0, 1, 2, 3]
[tuning]
images = ["sample:moon:32"]
budget = 3
"""
MAIN = "import sys; sys.argv[0] = 'invprior'; from invprior.cli import main; main()"
TARGETS = ("run", "server", "worker", "cell", "all")


def begin(folder: Path, workers: int) -> subprocess.Popen[bytes]:
    """Start the command."""
    given = ["matrix", "run", "m.toml", "-o", folder.name, "-q", "--workers", str(workers)]
    return subprocess.Popen([sys.executable, "-c", MAIN, *given], cwd=folder.parent)


def kill(run: subprocess.Popen[bytes], target: str) -> bool:
    """Kill one process of a run, or all; return whether it was there."""
    try:
        whole = psutil.Process(run.pid)
        # The run starts the server, the server workers, and a worker a process for each cell.
        depth = {"run": 0, "server": 1, "worker": 2, "cell": 3}.get(target)
        found = [whole]
        for _ in range(depth or 0):
            found = [child for process in found for child in process.children()]
        if depth is None:
            found = [whole, *whole.children(recursive=True)]
        for process in found if target == "all" else found[-1:]:
            process.kill()
    except psutil.NoSuchProcess:
        return False
    return bool(found) and run.poll() in (None, -9)


def ended(run: subprocess.Popen[bytes], started: Sequence[psutil.Process]) -> bool:
    """Wait for the end of a killed run; return whether all that it started ends too."""
    run.wait(60)
    return not psutil.wait_procs(started, timeout=20)[1]


def contents(folder: Path) -> dict[str, object]:
    """Return what must not depend on kills: what tables are made of, and the bytes of all images."""
    made = [record.load(path) for path in record.paths(folder)]
    found: dict[str, object] = {
        r.key: (r.cell, r.status, r.metrics, r.steps, r.result_sha256, r.files) for r in made
    }
    return found | {p.name: p.read_bytes() for p in folder.rglob("*.png")}


def faults(folder: Path, expected: dict[str, object]) -> list[str]:
    """Return what is wrong with a folder whose run has ended by itself."""
    found = contents(folder)
    names = sorted(
        name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
    )
    wrong = [f"{name} differs" for name in names] + Store.open(folder).read()[1]
    hidden = [*folder.rglob(".*"), *folder.parent.glob(f".{folder.name}*")]
    return wrong + [f"{path.relative_to(folder.parent)} is left" for path in hidden]


def main() -> int:
    """Kill, compare and report."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--workers", type=int, default=2)
    given = options.parse_args()
    draw, killed, wrong = random.Random(given.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "m.toml").write_text(TEXT)
        began = time.perf_counter()
        alone = begin(Path(name) / "alone", given.workers)
        assert alone.wait() == 0
        longest = time.perf_counter() - began
        expected = contents(Path(name) / "alone")
        say(f"{len(expected)} records and images in {longest:.1f} s")
        number, folder = 0, Path(name) / "run-0"
        while True:
            run = begin(folder, given.workers)
            if killed.total() < given.kills:
                time.sleep(draw.uniform(0.1, 1.0) * longest)
                target = TARGETS[killed.total() % len(TARGETS)]
                started = children(run.pid)
                while not (hit := kill(run, target)) and run.poll() is None:
                    time.sleep(0.01)  # until there is such a process: a cell is short
                if hit:
                    killed[target] += 1
                    say(f"killed: {target}")
                    if target in ("run", "all"):
                        wrong += 0 if ended(run, started) else say("a process outlives this kill")
                        continue
            if run.wait(20 * longest) != 0:
                wrong += say(f"{folder.name} ended with exit code {run.returncode}")
            found = faults(folder, expected)
            wrong += sum(say(f"{folder.name}: {fault}") for fault in found)
            say(f"{folder.name}: {len(found)} faults")
            if killed.total() >= given.kills:
                break
            number, folder = number + 1, Path(name) / f"run-{number + 1}"
    say(f"killed: {dict(killed)} in {number + 1} folders; {wrong} faults")
    return 1 if wrong else 0


def children(pid: int) -> list[psutil.Process]:
    """Return all processes below one; none if it has ended."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def say(text: str) -> int:
    """Print a line at once, as a long run may be ended; return 1, the number of lines."""
    print(text, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
