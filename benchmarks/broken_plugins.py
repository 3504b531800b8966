"""The time that ten broken packages add to `invprior list` and to a short solve, measured in turns.

    python benchmarks/broken_plugins.py [--runs 15]

The packages are those of the tests, one for each way to be broken, in a folder on the path. The result is the
difference of the medians, in milliseconds. On a busy machine it is meaningless.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
MAIN = "import sys; sys.argv[0] = 'invprior'; from invprior.cli import main; main()"
COMMANDS = {
    "list": ["list"],
    "solve": ["solve", "sample:camera:16", "--prior", "tv:weight=5", "--steps", "2", "--quiet"],
}


def seconds(words: list[str], packages: Path) -> float:
    """Return the seconds of one run of the program, including its start."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", MAIN, *words],
            check=True,
            capture_output=True,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(packages)},
        )
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15, help="of each command on each side")
    runs = parser.parse_args().runs
    sys.path.insert(0, str(ROOT))
    from tests.packages import Packages, install_broken

    with tempfile.TemporaryDirectory() as folder:
        without, broken = Path(folder, "without"), Path(folder, "broken")
        without.mkdir()
        broken.mkdir()
        install_broken(Packages(broken))
        for name, words in COMMANDS.items():
            times: dict[Path, list[float]] = {without: [], broken: []}
            for run in range(-1, runs):  # the first one fills the disk's cache and does not count
                for side, taken in times.items():
                    spent = seconds(words, side)
                    if run >= 0:
                        taken.append(spent)
            alone, together = (1000 * median(t) for t in times.values())
            print(
                f"{name:5}  {alone:7.1f} ms alone  {together:7.1f} ms with ten broken  {together - alone:+6.1f} ms"
            )


if __name__ == "__main__":
    main()
