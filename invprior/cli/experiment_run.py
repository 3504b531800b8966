"""What the commands of experiments share: folder, progress bar, record and tables."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

import invprior
from invprior.cli.console import err, out
from invprior.cli.outputs import settle
from invprior.errors import OptionError
from invprior.experiments.ablation import AblationResult
from invprior.experiments.impedance import ImpedanceResult
from invprior.io import files, images, lock, samples, strict_json
from invprior.numerics.threads import compute_with
from invprior.problem.solution import Iterate

RECORD = "record.json"
LEVEL = 0.01  # a mean squared error that counts as a fit, a PSNR of 20 dB
_PERIOD = 0.2  # seconds between two drawings


class Bar:
    """Draws the progress of several runs on stderr if that is a terminal, and nothing otherwise.

    Args:
        total: iterations of all runs together, if none ends early.
        quiet: whether to draw nothing.
    """

    def __init__(self, total: int, quiet: bool) -> None:
        self.name, self.before, self.last = "", 0, 0.0
        self.step = 0
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=err,
            transient=True,
            disable=quiet or not err.is_terminal,
        )
        self.task = self.progress.add_task("starting", total=total)

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def __call__(self, name: str, iterate: Iterate) -> None:
        """Count an iteration of the run of that name; redraw at most every `_PERIOD` seconds."""
        if name != self.name:  # the next run has begun; add what the one before did
            self.name, self.before = name, self.before + self.step
        self.step = iterate.step
        now = time.perf_counter()
        if self.progress.disable or now - self.last < _PERIOD:
            return
        self.last = now
        self.progress.update(self.task, completed=self.before + self.step, description=escape(name))


def claim(
    output: Path | None,
    title: str,
    image: str,
    like: images.Image,
    names: Sequence[str],
    *,
    overwrite: bool,
) -> Callable[[], Path]:
    """Check that the files can be written, and set the threads; return a function that makes the folder after the run.

    Raises:
        MeasurementError: a file exists already, or the folder is missing or cannot be written to.
    """
    compute_with()
    if output is None:
        # `settle` names a fresh folder for `solve`; only the folder is used here.
        sample = image.removeprefix(samples.PREFIX).partition(":")[0]
        stem = sample if image.startswith(samples.PREFIX) else Path(image).stem
        fresh = settle(None, f"{stem}-{title}", like, channels=3, simulated=False, overwrite=False)
        return lambda: fresh.claimed().restoration.parent
    folder = output
    for name in [*names, RECORD]:
        files.writable(folder / name, overwrite=overwrite)
    # `solve` locks the name "checkpoint" of a folder of results.
    lock.acquire(folder / "checkpoint", *(folder / name for name in [*names, RECORD]))
    return lambda: folder


def rates_from(texts: Sequence[str]) -> dict[str, float]:
    """Parse step sizes such as "unet=0.002".

    Raises:
        OptionError: a text is not of this form.
    """
    rates = {}
    for text in texts:
        family, _, rate = text.partition("=")
        try:
            rates[family.strip()] = float(rate)
        except ValueError:
            raise OptionError(
                f'The option "lr" must be FAMILY=RATE, as in unet=0.001; got "{text}".'
            ) from None
    return rates


def write_record(
    folder: Path, image: str, record: dict[str, Any], paths: list[Path], *, overwrite: bool
) -> None:
    """Write the record beside the other files, after them, with the paths of all."""
    path = folder / RECORD
    whole = {
        "invprior": invprior.__version__,
        "command": sys.argv[1:],
        "image": image,
        **record,
        "files": [*paths, path],
    }
    with files.atomic(path, overwrite=overwrite) as file:
        file.write(strict_json.dumps(whole, indent=2).encode())


def say(table: Table, folder: Path, paths: list[Path]) -> None:
    """Print the table and the place of the files."""
    names = ", ".join([*(path.name for path in paths), RECORD])
    out.print(table)
    out.print(escape(f"\nWrote {names} in {folder}"), soft_wrap=True)


def losses(result: ImpedanceResult) -> Table:
    """Return a table: the loss of each target at a few iterations, and when it first was low."""
    # Few enough for 80 columns, spread over the decades of a fit; the last step always.
    shown = [n for n in (10, 100, 300, 1000, 3000) if n < result.steps]
    shown.append(result.steps)
    table = _table("target", *(f"loss at {n}" for n in shown), f"<= {LEVEL:g} at")
    below = result.steps_below(LEVEL)
    for name, loss in result.losses.items():
        first = f"> {result.steps}" if below[name] is None else str(below[name])
        table.add_row(name, *(f"{loss[n - 1]:.3g}" for n in shown), first)
    return table


def trials(result: AblationResult) -> Table:
    """Return a table with a row for each network, its cost and its quality, within 80 columns."""
    table = _table("network", "weights", "steps", "time [s]", "PSNR [dB]", "SSIM", "best", "at")
    for trial in result.trials:
        best = trial.best
        if trial.psnr is None or trial.seconds is None or best is None:
            count = "-" if trial.parameters is None else f"{trial.parameters:,}"
            table.add_row(escape(trial.label), count, *"------")
            continue
        table.add_row(
            escape(trial.label),
            f"{trial.parameters:,}",
            str(trial.steps),
            f"{trial.seconds:.1f}",
            f"{trial.psnr:.2f}",
            "-" if trial.ssim is None else f"{trial.ssim:.4f}",
            f"{best.psnr:.2f}",
            str(best.step),
        )
    return table


def _table(first: str, *rest: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(first)
    for name in rest:
        table.add_column(escape(name), justify="right", header_style="bold")
    return table
