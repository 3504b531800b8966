"""What ten broken packages cost at start: `invprior list` and a short solve, with them and without, in turns.

    python benchmarks/broken_plugins.py [--runs 15]

The packages are those of the tests, one for each way to be broken, in a folder that is put on the path. The figure is
the difference of the medians, in milliseconds; a machine that is busy with something else makes it meaningless.
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
    """Time one run of the program, its own start included."""
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
            for run in range(-1, runs):  # the first warms the disk's cache and does not count
                for side, taken in times.items():
                    spent = seconds(words, side)
                    if run >= 0:
                        taken.append(spent)
            alone, beside = (1000 * median(t) for t in times.values())
            print(
                f"{name:5}  {alone:7.1f} ms alone  {beside:7.1f} ms beside ten broken  {beside - alone:+6.1f} ms"
            )


if __name__ == "__main__":
    main()
