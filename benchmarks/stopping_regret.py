"""The regret of stopping without the truth: best PSNR along a run minus PSNR of the image that a rule returns.

    python benchmarks/stopping_regret.py --operators denoise25 --size 96 --steps 1500
    python benchmarks/stopping_regret.py --data ../shared/data --part 1/2 --output report

Without --data the images are scikit-image's, on which the rules' constants were tuned. With it they are those of
the report: denoise9 for denoising; set5 for super-resolution (x4, no noise) and blur (two of Levin's kernels, sigma
2.55 of 255); inpaint11 with its masks for inpainting. The central square of --size is used of each.

For each image one run with the prior is fitted to all data; the regret is relative to its best PSNR. Rules that
only observe share that run. Rules that hold data out have their own run, with the same seed. A run ends after
--steps iterations. The run on all data also ends when all its rules have stopped, its PSNR is --fallen decibels
below its best, and half as many steps as the best took have passed since.

Every finished run is appended to OUTPUT.csv at once, and the same command again computes only missing rows. Several
processes can share the work: --part 1/2 and --part 2/2, each with its own output. --table A.csv B.csv prints the
table of all of them and computes nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from common import append, cropped, from_pillow, read, show, stored, table_of, to_pillow
from torch import Tensor

import invprior
from invprior import samples
from invprior.builders.problem import operator_for, stop_from
from invprior.matrix.config.matrix import Matrix, parse
from invprior.matrix.config.matrix import read as read_matrix
from invprior.matrix.execution.data import Case, prepare
from invprior.matrix.results.cells import Setting, jobs
from invprior.metrics.psnr import PSNR
from invprior.noise_estimation.base import QUANTISATION
from invprior.operators.base import Operator
from invprior.problem.problem import Problem
from invprior.problem.solution import Iterate, Stop
from invprior.stopping.base import QualityWatcher, StoppingRule, Watcher
from invprior.stopping.max_steps import MaxSteps
from invprior.stopping.split import SplitProblem

TUNING = ("astronaut", "chelsea", "coffee", "rocket")
OPERATORS = ("denoise15", "denoise25", "denoise50", "superres4", "inpaint50", "blur:k1", "blur:k3")
RULES = (
    "holdout",
    "self-reference",
    "self-reference:copies=channels",
    "sure",
    "discrepancy",
    "variance",
    "variance:form=exponential",
    "max-steps:steps=800",
    "max-steps:steps=1800",
)


@dataclass(frozen=True)
class Row:
    """The end of one rule on one image, PSNR in dB; `best` is of the run fitted to all data."""

    image: str
    operator: str
    size: int
    prior: str
    seed: int
    rule: str
    best: float
    best_step: int
    psnr: float
    step: int
    stopped: bool
    seconds: float

    @property
    def case(self) -> tuple[object, ...]:
        """What the rules are compared on."""
        return self.image, self.operator, self.size, self.prior, self.seed


@dataclass
class Observer:
    """A rule that observes a run until it stops."""

    rule: str
    watch: Watcher
    end: tuple[int, float, bool] | None = None

    def observe(self, now: Iterate, score: float, truth: Tensor) -> None:
        if self.end is None and (stop := self.watch(now)) is not None:
            self.end = now.step, psnr(stop, score, truth), True


@dataclass
class Curve:
    """PSNR along a run."""

    values: list[float] = field(default_factory=list)

    @property
    def best(self) -> tuple[float, int]:
        index = int(np.argmax(self.values))
        return self.values[index], index + 1


def main() -> None:
    options = arguments()
    if options.table:
        print_table([row for path in options.table for row in stored(path, Row)])
        return
    torch.set_num_threads(options.threads)
    path = options.output.with_suffix(".csv")
    rows = stored(path, Row)
    part, parts = (int(n) for n in options.part.split("/"))
    for index, (image, operator) in enumerate(cases(options)):
        if index % parts != part - 1:
            continue
        case = (image, operator, options.size, options.prior, options.seed)
        done = {row.rule for row in rows if row.case == case}
        for row in measured(case, [r for r in options.rules if r not in done], options):
            rows.append(row)
            append(path, row)
            print(
                *(f"{v:.3f}" if isinstance(v, float) else v for v in asdict(row).values()),
                flush=True,
            )
    print_table(rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the report's images")
    parser.add_argument("--images", nargs="+", help="only these images")
    parser.add_argument("--operators", nargs="+", choices=OPERATORS, default=list(OPERATORS))
    parser.add_argument("--rules", nargs="+", default=list(RULES))
    parser.add_argument("--prior", default="dip")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument(
        "--fallen", type=float, default=float("inf"), help="end a run this many dB below its best"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--output", type=Path, default=Path("stopping-regret"))
    parser.add_argument("--table", type=Path, nargs="+", help="CSV files to print the table of")
    return parser.parse_args()


def cases(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield every image with every operator."""
    for operator in options.operators:
        names = TUNING if options.data is None else paper(operator).images
        yield from ((n, operator) for n in names if not options.images or n in options.images)


@cache
def paper(operator: str) -> Matrix:
    """Return the matrix of the paper's table that has the images of an operator."""
    tables = {"denoise": "paper-denoising", "inpaint": "paper-inpainting"}
    found = (table for start, table in tables.items() if operator.startswith(start))
    return parse(*read_matrix(next(found, "paper-super-resolution")))


def masked(image: str, options: argparse.Namespace) -> Case:
    """Return the central square of an image with the authors' mask."""
    matrix = paper("inpaint50")
    one = replace(matrix, images=(image,), methods=matrix.methods[:1])
    (job,) = jobs(one, Setting(data=str(options.data), size=options.size), Path())
    return prepare(job)


def measurement(
    image: str, operator: str, options: argparse.Namespace
) -> tuple[Tensor, Tensor, Operator, str]:
    """Return the true image, its measurement, the operator and the noise that the solver gets."""
    if operator.startswith("inpaint") and options.data is not None:
        case = masked(image, options)
        return case.truth, case.y, case.operator, noise_spec(0)
    if options.data is None:
        truth = read(f"sample:{image}", 2 * options.size)
    else:
        folder = "denoise9/clean" if operator.startswith("denoise") else "set5"
        truth = samples.resolve(str(options.data / folder / f"{image}.png")).x
    truth = cropped(truth, options.size, options.size)
    spec, sigma = "denoise", 0.0
    if operator.startswith("denoise"):
        sigma = float(operator.removeprefix("denoise")) / 255
    elif operator == "superres4":
        spec = "downsample:factor=4"
    elif operator == "inpaint50":
        spec = "inpaint:keep=0.5"
    else:
        if options.data is None:
            raise SystemExit("blur needs --data, where the kernels are")
        kernel = np.load(options.data / "kernels" / "levin09.npz")[operator.removeprefix("blur:")]
        file = options.output.parent / f"{operator.replace(':', '-')}.npy"
        np.save(file, kernel)
        spec, sigma = f'blur:kernel="{file}"', 2.55 / 255
    made = operator_for(spec, image=tuple(truth.shape[1:]))
    g = torch.Generator().manual_seed(options.seed)
    with torch.no_grad():
        clean = made(truth)
    y = clean + sigma * torch.randn(clean.shape, generator=g)
    if operator.startswith("denoise"):  # rounded as in a file, like the paper's
        y = from_pillow(to_pillow(y))
    return truth, y, made, noise_spec(sigma)


def noise_spec(sigma: float) -> str:
    return f"gaussian:sigma={max(sigma, QUANTISATION)}"


def measured(
    case: tuple[str, str, int, str, int], rules: list[str], options: argparse.Namespace
) -> Iterator[Row]:
    """Yield a row for each rule; make the runs that the rules need."""
    if not rules:
        return
    image, operator, *_, seed = case
    truth, y, made, noise = measurement(image, operator, options)
    (problem,) = invprior.build(
        y, operator=made, prior=options.prior, noise=noise, data_range=(0, 1)
    )
    prepared: dict[str, tuple[StoppingRule, Problem]] = {}
    for text in rules:
        rule = stop_from(text)
        try:
            changed = rule.prepare(problem, torch.Generator().manual_seed(seed))
        except invprior.InvpriorError as error:
            print(f"{image} {operator} {text}: {error}", flush=True)
            continue
        prepared[text] = rule, changed
    watching = {
        text: rule
        for text, (rule, changed) in prepared.items()
        if fits_everything(changed, problem)
    }
    began = time.perf_counter()
    seen = [Observer(text, rule.start(prepared[text][1])) for text, rule in watching.items()]
    best, best_step = followed(problem, seen, truth, options)
    seconds = time.perf_counter() - began
    for one in seen:
        assert one.end is not None
        yield Row(*case, one.rule, best, best_step, one.end[1], one.end[0], one.end[2], seconds)
    for text, (rule, _) in prepared.items():
        if text not in watching:
            ended = rule | MaxSteps(steps=options.steps)
            own = invprior.solve_problem(problem, "adam", stop=ended, seed=seed, record_every=0)
            end = psnr_of(own.x, truth), own.steps, own.stop.ok, own.seconds
            yield Row(*case, text, best, best_step, *end)


def fits_everything(changed: Problem, problem: Problem) -> bool:
    """Whether a rule that has prepared a problem only observes, since the run still fits all data."""
    held_out = isinstance(changed, SplitProblem) and changed.held_out is not None
    return (
        not held_out and changed.prior is problem.prior and bool(torch.equal(changed.y, problem.y))
    )


def followed(
    problem: Problem, seen: list[Observer], truth: Tensor, options: argparse.Namespace
) -> tuple[float, int]:
    """Run with all rules observing; return the best PSNR and its step. Rules that have not stopped end with the run."""
    curve = Curve()
    for now in invprior.iterate(problem, "adam", seed=options.seed):
        score = float(PSNR().measure(now.x.clamp(0, 1), truth))
        curve.values.append(score)
        for one in seen:
            one.observe(now, score, truth)
        best, best_step = curve.best
        fallen = score < best - options.fallen and now.step >= 1.5 * best_step
        if now.step >= options.steps or (fallen and all(one.end is not None for one in seen)):
            break
    for one in seen:
        if one.end is None:
            x = one.watch.best() if isinstance(one.watch, QualityWatcher) else None
            one.end = now.step, score if x is None else psnr_of(x, truth), False
    return curve.best


def psnr(stop: Stop, score: float, truth: Tensor) -> float:
    return score if stop.x is None else psnr_of(stop.x, truth)


def psnr_of(x: Tensor, truth: Tensor) -> float:
    return float(PSNR().measure(x.clamp(0, 1), truth))


def print_table(rows: list[Row]) -> None:
    """Print regret by operator and rule: median, 95th percentile, worst; and steps relative to the best one."""
    table = table_of(
        "operator",
        "rule",
        "images",
        "median [dB]",
        "95 % [dB]",
        "worst [dB]",
        "steps",
        "of the best",
    )
    for operator in dict.fromkeys(row.operator for row in rows):
        for rule in dict.fromkeys(row.rule for row in rows):
            found = [row for row in rows if (row.operator, row.rule) == (operator, rule)]
            if not found:
                continue
            regret = np.array([row.best - row.psnr for row in found])
            steps = np.median([row.step for row in found])
            share = np.median([row.step / row.best_step for row in found])
            values = np.median(regret), np.percentile(regret, 95), regret.max()
            table.add_row(
                operator,
                rule,
                str(len(found)),
                *(f"{v:.2f}" for v in values),
                f"{steps:.0f}",
                f"{share:.2f}",
            )
    show(
        "Regret: best PSNR of the run fitted to all data, minus that of the returned image",
        table,
    )


if __name__ == "__main__":
    main()
