"""The error of the estimated noise level, on images of your own and on scikit-image's.

The estimator's constants were chosen on scikit-image's images, the central 384 x 384 of each; results on other
images show how it generalises. Every image is measured by every operator with new noise of every level, in 8 bits
if the case says so. The table has the relative error of sigma, with that of scikit-image's estimate_sigma if y has
no missing pixels. The other rows are of the photon gain.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from common import cropped
from rich.console import Console
from rich.table import Table
from skimage.restoration import estimate_sigma
from torch import Tensor

from invprior import samples, simulate
from invprior.io.images import load
from invprior.noise_estimation.gaussian import estimate_gaussian
from invprior.noise_estimation.poisson import estimate_poisson

TUNING = "scikit-image (tuning)"
SIZE = 384
PEAKS = (10, 30, 100, 300)


def cases(kernels: Path | None) -> dict[str, tuple[str, str]]:
    """Return operator and further options of the noise for each case, by name."""
    found = {"plain": ("denoise", ""), "8 bits": ("denoise", ",quantise=true")}
    for index in ("k1", "k4") if kernels else ():
        found[f"blur {index}"] = (f"blur:kernel={kernels},index={index}", "")
    return {
        **found,
        "inpaint 50 %": ("inpaint:keep=0.5", ""),
        "inpaint 50 %, 8 bits": ("inpaint:keep=0.5", ",quantise=true"),
        "inpaint 90 %": ("inpaint:keep=0.1", ""),
        "downsample 4": ("downsample:factor=4", ""),
    }


def images(folders: Iterable[Path]) -> Iterator[tuple[str, str, Tensor]]:
    """Yield set, name and image."""
    for name in samples.names():
        x = samples.load(name).x
        yield TUNING, name, cropped(x, min(SIZE, x.shape[-2]), min(SIZE, x.shape[-1]))
    for folder in folders:
        for path in sorted(folder.iterdir()):
            yield "yours (report)", f"{folder.parent.name}/{path.stem}", load(path).x


def rows(options: argparse.Namespace) -> Iterator[dict[str, str | float]]:
    """Yield a row for each measurement."""
    for group, name, x in images(options.folders):
        for case, (operator, more) in cases(options.kernels).items():
            for sigma in options.sigma:
                noise = f"gaussian:sigma={sigma / 255}{more}"
                y, made = simulate(x, operator=operator, noise=noise, seed=1)
                found = estimate_gaussian(y, made.observation_mask)
                theirs = np.nan
                if made.observation_mask is None:
                    theirs = float(np.mean(estimate_sigma(y[0].numpy(), channel_axis=0)))
                yield {
                    "set": group, "case": case, "image": name, "level": sigma,
                    "error": 255 * found.sigma / sigma - 1, "uncertainty": found.uncertainty,
                    "noted": float(found.note is not None), "scikit-image": 255 * theirs / sigma - 1,
                }  # fmt: skip
        for peak in PEAKS:
            y, _ = simulate(x, operator="denoise", noise=f"poisson:peak={peak}", seed=1)
            gain = estimate_poisson(y)
            assert gain.peak is not None
            yield {
                "set": group, "case": "photon gain", "image": name, "level": peak,
                "error": peak / gain.peak - 1, "uncertainty": gain.uncertainty,
                "noted": float(gain.note is not None), "scikit-image": np.nan,
            }  # fmt: skip


def spread(errors: Iterable[float]) -> list[str]:
    """Return median, 95th percentile and maximum of the absolute errors, in percent."""
    found = 100 * np.abs(np.fromiter(errors, float))
    if np.isnan(found).any():
        return ["", "", ""]
    return [f"{value:.1f}" for value in (np.median(found), np.percentile(found, 95), found.max())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folders", type=Path, nargs="*", help="folders of clean images, to report on"
    )
    parser.add_argument("--kernels", type=Path, help="an .npz file with the kernels k1 and k4")
    parser.add_argument("--sigma", type=float, nargs="+", default=[10, 15, 25, 50], help="of 255")
    parser.add_argument("--csv", type=Path, default=Path("noise_estimate.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    done: list[dict[str, str | float]] = []
    with options.csv.open("w", newline="") as file:
        for row in rows(options):
            if not done:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
            writer.writerow(row)
            done.append(row)
    table = Table(
        "set", "case", "runs", "median %", "95th %", "worst %", "worst without note %", "where",
        "noted", "in 2 deviations", "scikit-image: median %", "95th %", "worst %", box=None,
    )  # fmt: skip
    for group, case in dict.fromkeys((row["set"], row["case"]) for row in done):
        own = [row for row in done if (row["set"], row["case"]) == (group, case)]
        worst = max(own, key=lambda row: abs(float(row["error"])))
        trusted = [float(row["error"]) for row in own if not row["noted"]]
        inside = [abs(float(row["error"])) <= 2 * float(row["uncertainty"]) for row in own]
        table.add_row(
            str(group), str(case), str(len(own)), *spread(float(row["error"]) for row in own),
            spread(trusted)[2] if trusted else "", f"{worst['image']} at {worst['level']:g}",
            f"{sum(float(row['noted']) for row in own):.0f}", f"{100 * np.mean(inside):.0f} %",
            *spread(float(row["scikit-image"]) for row in own),
        )  # fmt: skip
    Console(width=220).print(table)


if __name__ == "__main__":
    main()
