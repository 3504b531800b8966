"""The regret of the automatic weight, best PSNR over a grid of weights minus PSNR at the chosen one, and its cost.

    python benchmarks/weight_regret.py --size 96 --operators denoise25 inpaint50 --priors tv wavelet
    python benchmarks/weight_regret.py --images ../shared/data/denoise9/clean ../shared/data/set5 \\
        --kernels ../shared/data/kernels/levin09.npz --operators denoise15 denoise25 denoise50 downsample4 \\
        inpaint50 blur:k1 blur:k4

Images are files, folders of PNG files, or names of scikit-image's samples; the central square of each is used.
Every finished solve is appended to OUTPUT.csv at once, and the same command again computes only missing rows.
OUTPUT.md, which is also printed, has the table: the regret of each rule by prior and operator, and what its search
costs over a run from the start at the weight that it found, in seconds and in applications of A and A^H to an image of
full size; then the applications of search and run together over those of that run, as the run of an automatic choice
starts from the end of the search. To compare two versions, copy the rows of the grid, and run each version with a copy.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from common import append, counted, stored
from torch import Tensor

import invprior
from invprior import samples
from invprior.builders.problem import build
from invprior.errors import InvpriorError
from invprior.metrics.psnr import PSNR
from invprior.tuning.search import choose_weights

IMAGES = ("astronaut", "camera", "chelsea", "coffee", "coins", "rocket")
OPERATORS = ("denoise15", "denoise25", "denoise50", "downsample4", "inpaint50")
PRIORS = ("tv", "wavelet", "tikhonov", "pnp")


@dataclass(frozen=True)
class Row:
    """One solve, at a weight of the grid or at the one that a rule has chosen; PSNR in dB."""

    image: str
    size: int
    operator: str
    sigma: float
    noise: str
    prior: str
    kind: str
    weight: float
    psnr: float
    tries: int
    tuning_seconds: float
    seconds: float
    tuning_applications: float
    applications: float
    whole_applications: float
    note: str

    @property
    def case(self) -> tuple[object, ...]:
        """What compared rows have in common."""
        return self.image, self.size, self.operator, self.sigma, self.noise, self.prior


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    rows = stored(options.output.with_suffix(".csv"), Row)
    done = {(row.case, row.kind) for row in rows}
    try:
        for row in measured(options, done):
            rows.append(row)
            append(options.output.with_suffix(".csv"), row)
            print(
                row.image,
                row.operator,
                row.prior,
                row.kind,
                f"{row.weight:.4g}",
                f"{row.psnr:.2f}",
                flush=True,
            )
    except KeyboardInterrupt:
        print("interrupted")
    text = report(rows)
    options.output.with_suffix(".md").write_text(text)
    print(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", nargs="+", default=list(IMAGES))
    parser.add_argument(
        "--size", type=int, default=128, help="side of the central square, in pixels"
    )
    names = "denoiseSIGMA (of 255), downsampleFACTOR, inpaintPERCENT kept, blur:KERNEL's name"
    parser.add_argument("--operators", nargs="+", default=list(OPERATORS), help=names)
    parser.add_argument("--priors", nargs="+", default=list(PRIORS))
    parser.add_argument(
        "--rules", nargs="+", default=["auto", "default"], help="weight rules, as for --weight"
    )
    parser.add_argument("--kernels", type=Path, help="an .npz file of blur kernels")
    parser.add_argument(
        "--sigma",
        type=float,
        default=0.01,
        help="noise of all but denoise, in intensities of [0, 1]",
    )
    parser.add_argument("--noise", choices=("known", "estimated"), default="known")
    parser.add_argument(
        "--octaves", type=int, default=5, help="extent of the grid to both sides of the default"
    )
    parser.add_argument(
        "--per-octave", type=int, default=2, help="weights in the grid for each factor of 2"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("weight-regret"))
    return parser.parse_args()


def measured(
    options: argparse.Namespace, done: set[tuple[tuple[object, ...], str]]
) -> Iterator[Row]:
    """Solve everything that is not done yet, image by image."""
    for name, truth in images(options.images, options.size):
        for operator in options.operators:
            spec, sigma = operator_spec(operator, options)
            y, made = invprior.simulate(
                truth, operator=spec, noise=f"gaussian:sigma={sigma}", seed=options.seed
            )
            noise = f"gaussian:sigma={sigma}" if options.noise == "known" else None
            for prior in options.priors:
                start = (
                    build(y, operator=made, prior=prior, noise=noise, data_range=(0, 1))[0]
                    .prior.terms[0]
                    .weight
                )
                per, extent = options.per_octave, options.octaves * options.per_octave
                steps = range(-extent, extent + 1)
                kinds = [(f"grid{k:+d}", start * 2 ** (k / per), "default") for k in steps]
                kinds += [(rule, None, rule) for rule in options.rules]
                for kind, weight, rule in kinds:
                    case = (name, options.size, operator, sigma, options.noise, prior)
                    if (case, kind) in done:
                        continue
                    yield solved(
                        Row(*case, kind, 0, 0, 0, 0, 0, 0, 0, 0, ""),
                        y,
                        made,
                        noise,
                        weight,
                        rule,
                        truth,
                    )


def solved(row: Row, y: Tensor, operator: invprior.Operator, noise: str | None, weight: float | None, rule: str,
           truth: Tensor) -> Row:  # fmt: skip
    prior = (
        row.prior
        if weight is None
        else f"{row.prior}{',' if ':' in row.prior else ':'}weight={weight!r}"
    )
    filled = asdict(row)
    try:
        (problem,) = build(y, operator=operator, prior=prior, noise=noise, data_range=(0, 1))
        with counted(type(operator), math.prod(operator.image_shape)) as searched:
            problem = choose_weights(problem, rule=rule)
        with counted(type(operator), math.prod(operator.image_shape)) as rest:
            found = invprior.solve_problem(problem)
        ran, alone = rest, found
        if problem.weights is not None and problem.weights.handover is not None:
            own = replace(problem.weights, handover=None)
            with counted(type(operator), math.prod(operator.image_shape)) as ran:
                alone = invprior.solve_problem(replace(problem, weights=own))
    except InvpriorError as error:
        return Row(
            **{**filled, "weight": weight or float("nan"), "psnr": float("nan"), "note": str(error)}
        )
    choice = found.weights
    return Row(**{
        **filled,
        "weight": weight if choice is None else choice.terms[0][1],
        "psnr": float(PSNR().measure(found.x, truth)),
        "tries": 0 if choice is None else len(choice.tried),
        "tuning_seconds": round(found.tuning_seconds, 4),
        "seconds": round(alone.seconds, 4),
        "tuning_applications": round(searched[0], 2),
        "applications": round(ran[0], 2),
        "whole_applications": round(searched[0] + rest[0], 2),
        "note": "" if choice is None else choice.rule + " " + choice.note,
    })  # fmt: skip


def operator_spec(text: str, options: argparse.Namespace) -> tuple[str, float]:
    """Return the operator's spec, and the standard deviation of its noise."""
    if text.startswith("denoise"):
        return "denoise", float(text.removeprefix("denoise")) / 255
    if text.startswith("downsample"):
        return f"downsample:factor={text.removeprefix('downsample')}", options.sigma
    if text.startswith("inpaint"):
        return f"inpaint:keep={float(text.removeprefix('inpaint')) / 100}", options.sigma
    if text.startswith("blur:") and options.kernels is not None:
        return f'blur:kernel="{options.kernels}",index={text.removeprefix("blur:")}', options.sigma
    raise SystemExit(f'Unknown operator "{text}"; see --help. blur:NAME needs --kernels.')


def images(sources: list[str], size: int) -> Iterator[tuple[str, Tensor]]:
    """Yield the central square of each image; a sample is reduced to 256 pixels first."""
    for source in sources:
        path = Path(source)
        files = sorted(path.glob("*.png")) if path.is_dir() else [path]
        for file in files:
            x = samples.load(source, 256).x if source in samples.NAMES else invprior.load(file).x
            top, left = ((side - size) // 2 for side in x.shape[-2:])
            if min(top, left) < 0:
                raise SystemExit(f"{source} is smaller than --size {size}.")
            yield file.stem, x[..., top : top + size, left : left + size].contiguous()


def report(rows: list[Row]) -> str:
    """Return a table of median, 95th percentile and worst, by rule, prior and operator."""
    best: dict[tuple[object, ...], float] = {}
    for row in rows:
        if row.psnr == row.psnr:
            best[row.case] = max(best.get(row.case, -1e9), row.psnr)
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if (
            not row.kind.startswith("grid") and row.psnr == row.psnr
        ):  # a rule follows its whole grid
            for prior, operator in product((row.prior, "all"), (row.operator, "all")):
                groups[row.kind, prior, operator].append(row)
    lines = [
        "| rule | prior | operator | cases | regret [dB] | search / run [s] | search / run [applications] "
        "| whole / run [applications] | tries |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for place, found in sorted(groups.items(), key=lambda pair: pair[0].count("all")):
        regret = [best[row.case] - row.psnr for row in found]
        seconds = [row.tuning_seconds / max(row.seconds, 1e-4) for row in found]
        applied = [row.tuning_applications / max(row.applications, 1.0) for row in found]
        whole = [row.whole_applications / max(row.applications, 1.0) for row in found]
        cells = [spread(regret, 2), spread(seconds, 1), spread(applied, 1), spread(whole, 1)]
        tries = f"{np.mean([row.tries for row in found]):.1f}"
        lines.append(f"| {' | '.join([*place, str(len(found)), *cells, tries])} |")
    return "\n".join(lines) + "\n"


def spread(values: list[float], digits: int) -> str:
    """Write the median, the 95th percentile and the largest value."""
    found = (np.median(values), np.percentile(values, 95), max(values))
    return ", ".join(f"{v:.{digits}f}" for v in found)


if __name__ == "__main__":
    main()
