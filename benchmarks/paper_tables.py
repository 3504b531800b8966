"""Measured PSNR beside the Deep Image Prior paper's: super-resolution, inpainting and denoising.

    python benchmarks/paper_tables.py superres --data ../shared/data --tables ../shared/paper/tables.json
    python benchmarks/paper_tables.py inpaint --size 128 --prior tv dip dip:preset=paper-inpaint-50 ...
    python benchmarks/paper_tables.py denoise --pictures F16 ...

Every finished cell (a picture with a method) is appended to OUTPUT.csv at once; the same command
again runs only what is missing. OUTPUT.md, printed too, has the table beside the paper's, with
averages, the protocol, and every way in which this run departs from it.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from paper_tasks import KERNELS, TASKS, Case, Figures, Protocol, Task, rounded
from torch import Tensor

import invprior
from invprior.errors import DivergedError, InvpriorError

HEADER = ("task", "setting", "picture", "method", "psnr", "missing", "steps", "seconds")


@dataclass(frozen=True)
class Cell:
    """One finished cell: PSNR in dB, over the picture and over its missing pixels."""

    picture: str
    method: str
    psnr: float
    missing: float | None
    steps: int
    seconds: float


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    task: Task = TASKS[options.task]
    protocol = Protocol(
        data=options.data,
        size=options.size,
        reduce=options.reduce,
        resample=options.resample,
        kernel=options.kernel or KERNELS[options.resample],
        sigma=options.sigma,
        seed=options.seed,
    )
    setting = f"{task.setting(protocol)},steps={options.steps or 'default'}"
    output: Path = options.output or Path(f"paper-{task.name}.csv")
    done = begun(output, task, setting)
    pictures, methods = options.pictures or task.pictures, options.prior or task.priors
    remarks: list[str] = []
    try:
        for picture in pictures:
            case = task.prepare(picture, protocol)
            remarks += [f"{picture}: {text}" for text in case.remarks]
            for method in [*case.baselines, *methods]:
                if (picture, method) in done:
                    continue
                cell = measure(task, case, picture, method, options)
                if cell is not None:
                    append(output, task, setting, cell)
                    done[picture, method] = cell
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here")
    wanted = list(dict.fromkeys(m for p, m in done if p in pictures and m not in methods))
    report(task, protocol, done, pictures, [*wanted, *methods], remarks, options, output)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=list(TASKS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--tables", type=Path, required=True, help="the paper's figures, JSON")
    parser.add_argument("--pictures", nargs="+", help="some of the table's; all when absent")
    parser.add_argument("--prior", nargs="+", help="specs; the task's usual ones when absent")
    parser.add_argument("--steps", type=int, help="at most, for every prior; its own when absent")
    parser.add_argument("--size", type=int, help="height and width at most")
    parser.add_argument("--reduce", choices=["crop", "lanczos"], default="crop", help="to --size")
    parser.add_argument("--resample", choices=["lanczos", "bicubic"], default="lanczos")
    kernels = [*KERNELS.values(), "lanczos2"]
    kernel = "of our downsample operator; the resampling's when absent, lanczos2 is the authors'"
    parser.add_argument("--kernel", choices=kernels, help=kernel)
    parser.add_argument("--sigma", type=int, choices=[25, 50], default=25, help="of denoise")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, help="the CSV file; paper-TASK.csv when absent")
    options = parser.parse_args()
    known = TASKS[options.task].pictures
    if unknown := set(options.pictures or ()) - set(known):
        parser.error(f"--pictures of {options.task} are {', '.join(known)}; got {sorted(unknown)}")
    if options.size is not None and options.size < 64:
        parser.error(f"--size must be at least 64; got {options.size}")
    return options


def begun(path: Path, task: Task, setting: str) -> dict[tuple[str, str], Cell]:
    """Open the file of finished cells and read those of this setting."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            csv.writer(file).writerow(HEADER)
        return {}
    text = path.read_text()
    if not text.endswith("\n"):  # killed while it wrote a row, which does not count
        path.write_text(text[: text.rfind("\n") + 1])
    with path.open(newline="") as file:
        rows = [
            r for r in csv.DictReader(file) if (r["task"], r["setting"]) == (task.name, setting)
        ]
    return {(r["picture"], r["method"]): _cell(r) for r in rows}


def _cell(row: dict[str, str]) -> Cell:
    missing = float(row["missing"]) if row["missing"] else None
    figures = float(row["psnr"]), missing, int(row["steps"]), float(row["seconds"])
    return Cell(row["picture"], row["method"], *figures)


def append(path: Path, task: Task, setting: str, cell: Cell) -> None:
    """Write a finished cell to the disk."""
    missing = "" if cell.missing is None else f"{cell.missing:.4f}"
    row = (
        cell.picture,
        cell.method,
        f"{cell.psnr:.4f}",
        missing,
        cell.steps,
        f"{cell.seconds:.2f}",
    )
    with path.open("a", newline="") as file:
        csv.writer(file).writerow((task.name, setting, *row))
        file.flush()
        os.fsync(file.fileno())


def measure(
    task: Task, case: Case, picture: str, method: str, options: argparse.Namespace
) -> Cell | None:
    """Run one cell; None when the run diverged."""
    began = time.perf_counter()
    steps = 0
    if method in case.baselines:
        x: Tensor = case.baselines[method]
    else:
        try:
            solution = invprior.solve(
                case.y,
                operator=case.operator,
                prior=method,
                noise=case.noise,
                steps=options.steps,
                seed=options.seed,
                device="cpu",
                record_every=0,
            )
        except DivergedError as error:
            print(f"{picture}, {method}: {error}")
            return None
        except InvpriorError as error:
            raise SystemExit(f"{method}: {error}") from None
        x, steps = solution.x, solution.steps
    seconds = time.perf_counter() - began
    score, missing = task.score(case, rounded(x))
    more = "" if missing is None else f", missing pixels {missing:.2f} dB"
    print(f"{picture}, {method}: {score:.2f} dB{more}, {steps} steps, {seconds:.1f} s", flush=True)
    return Cell(picture, method, score, missing, steps, seconds)


def report(
    task: Task,
    protocol: Protocol,
    done: dict[tuple[str, str], Cell],
    pictures: Sequence[str],
    methods: Sequence[str],
    remarks: Sequence[str],
    options: argparse.Namespace,
    output: Path,
) -> None:
    """Print the tables and write them as Markdown."""
    figures = json.loads(options.tables.read_text())
    papers = {p: task.paper(figures, p, protocol) for p in pictures}
    whole: dict[str, Figures] = {p: {} for p in pictures}
    missing: dict[str, Figures] = {p: {} for p in pictures}
    cells = {(p, m): done[p, m] for p in pictures for m in methods if (p, m) in done}
    for (picture, method), cell in cells.items():
        whole[picture][method] = cell.psnr
        if cell.missing is not None:
            missing[picture][method] = cell.missing
    for picture, (of_whole, of_missing) in papers.items():
        whole[picture] |= {f"paper: {name}": value for name, value in of_whole.items()}
        missing[picture] |= {f"paper: {name}": value for name, value in of_missing.items()}
    text = [f"# {task.__doc__}", "", "PSNR in dB.", "", *sheet(whole)]
    if averages := task.printed(figures, protocol):
        said = ", ".join(f"{name} {value:.2f}" for name, value in averages.items())
        text += ["", f"The paper's text gives as averages over all pictures: {said}."]
    if any(missing.values()):
        text += ["", "Over the missing pixels alone:", "", *sheet(missing)]
    ran = {(p, m): c for (p, m), c in cells.items() if c.steps}
    if ran:
        times: dict[str, Figures] = {p: {} for p in pictures}
        for (picture, method), cell in ran.items():
            times[picture][method] = cell.seconds
        text += ["", f"Seconds, {options.threads} threads:", "", *sheet(times)]
    text += ["", "Protocol:", "", *(f"* {line}" for line in task.follows)]
    text += ["", "Departures from it:", ""]
    text += [f"* {line}" for line in departures(task, protocol, cells, pictures, options)]
    text += [f"* {line}." for line in remarks]
    path = output.with_suffix(".md")
    path.write_text("\n".join(text) + "\n")
    print("\n".join(text))
    print(f"wrote {output} and {path}")


def columns(figures: dict[str, Figures]) -> list[str]:
    return ["picture", *dict.fromkeys(name for row in figures.values() for name in row)]


def body(figures: dict[str, Figures]) -> Iterator[list[str]]:
    """Give the rows, the last with the averages of the columns that are full."""
    names = columns(figures)[1:]
    for picture, row in figures.items():
        yield [picture, *(f"{row[n]:.2f}" if n in row else "" for n in names)]
    full = [[row.get(n, math.nan) for row in figures.values()] for n in names]
    means = [sum(column) / len(column) for column in full]
    yield ["average", *("" if math.isnan(mean) else f"{mean:.2f}" for mean in means)]


def sheet(figures: dict[str, Figures]) -> list[str]:
    """Write a table as Markdown."""
    head = columns(figures)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body(figures)]
    return [f"| {' | '.join(line)} |" for line in lines]


def departures(
    task: Task,
    protocol: Protocol,
    cells: dict[tuple[str, str], Cell],
    pictures: Sequence[str],
    options: argparse.Namespace,
) -> Iterator[str]:
    """Say in which ways the run is not the paper's."""
    if protocol.size is not None:
        how = {"crop": "cropped around the middle", "lanczos": "reduced by Pillow's Lanczos filter"}
        yield (
            f"Pictures above {protocol.size} pixels are {how[protocol.reduce]} to that size; the paper's figures "
            "are those of the whole pictures."
        )
    if len(pictures) < len(task.pictures):
        yield f"{len(pictures)} of {len(task.pictures)} pictures; the averages are over these."
    for method in dict.fromkeys(m for _, m in cells):
        if steps := sorted({c.steps for (_, m), c in cells.items() if m == method and c.steps}):
            span = f"{steps[0]} to {steps[-1]}" if len(steps) > 1 else str(steps[0])
            limit = f" (at most {options.steps} were allowed)" if options.steps else ""
            yield f"`{method}`: one run of {span} steps, seed {options.seed}{limit}."
    if task.name == "superres":
        yield (
            f"The low-resolution pictures are made by Pillow's {protocol.resample.upper()}, and modelled by "
            f"`downsample:kernel={protocol.kernel}`. The paper's bicubic row is Pillow's BICUBIC down and up; "
            "its DIP row is LANCZOS modelled by lanczos2, with replicated borders where ours are mirrored."
        )
    if task.name != "denoise":
        yield "The methods estimate the noise, which is that of rounding and of the operator's misfit."
    else:
        yield "The paper's DIP and NLM figures are of other draws of the noise than these files."


if __name__ == "__main__":
    main()
