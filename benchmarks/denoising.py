"""Average PSNR of the classical priors and denoisers on a folder of images, compared with scikit-image's.

    python benchmarks/denoising.py DIR [--sigma 25] [--noisy DIR]

DIR has clean colour images. --noisy names a folder of noisy images with the same names; else noise is simulated,
clipped and rounded to 8 bits. The metric is PSNR over all channels and pixels. `tv`, `wavelet` and scikit-image's
methods have their best weight of a grid, chosen on the true images and the same for all of them; the others have
their defaults.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import invprior
from invprior.io.images import load
from invprior.metrics.psnr import PSNR

Method = Callable[[Tensor, float], Tensor]


def ours(prior: str) -> Method:
    """Restore with one of our priors, with sigma given."""

    def run(y: Tensor, sigma: float) -> Tensor:
        return invprior.solve(
            y, prior=prior, noise=f"gaussian:sigma={sigma}", data_range=(0, 1), record_every=0
        ).x

    return run


def denoiser(spec: str) -> Method:
    """Apply a denoiser once."""
    from invprior import registry

    made = registry.create("denoisers", spec)
    return lambda y, sigma: made.denoise(y, sigma)


def theirs(function: Callable[..., np.ndarray], **options: object) -> Method:
    """Apply a function of scikit-image to (H, W, C) arrays."""

    def run(y: Tensor, sigma: float) -> Tensor:
        array = y[0].permute(1, 2, 0).numpy()
        given = {k: v(sigma) if callable(v) else v for k, v in options.items()}
        found = function(array, channel_axis=-1, **given)
        return torch.from_numpy(np.ascontiguousarray(found)).permute(2, 0, 1)[None].float()

    return run


def grid(
    name: str, make: Callable[[float], Method], values: list[float]
) -> list[tuple[str, str, Method]]:
    """Return one method at several settings, of which the best is shown."""
    return [(name, f"{value:g}", make(value)) for value in values]


def methods() -> list[tuple[str, str, Method]]:
    """Return (row, setting, method); a row with several settings shows the best one."""
    from skimage import restoration as ski

    def ski_tv(c: float) -> Method:
        weight = lambda sigma: c * sigma  # noqa: E731
        return theirs(ski.denoise_tv_chambolle, weight=weight, eps=1e-5, max_num_iter=500)

    def ski_wavelet(c: float) -> Method:
        sigma_of = lambda sigma: c * sigma  # noqa: E731
        return theirs(ski.denoise_wavelet, sigma=sigma_of, convert2ycbcr=True, rescale_sigma=True)

    def ski_nlm(h: float) -> Method:
        return theirs(
            ski.denoise_nl_means,
            h=lambda s: h * s,
            sigma=lambda s: s,
            patch_size=5,
            patch_distance=6,
        )

    rows = [("nlm", "default", denoiser("nlm")), ("pnp over nlm", "default", ours("pnp"))]
    rows += grid("nlm, scikit-image", ski_nlm, [0.6, 0.8])
    rows += grid("tv", lambda w: ours(f"tv:weight={w}"), [8.0, 10.0, 12.0, 14.0])
    rows += grid("tv, scikit-image", ski_tv, [0.7, 0.9, 1.1])
    rows += grid("wavelet", lambda w: ours(f"wavelet:weight={w}"), [12.0, 15.0, 18.0, 22.0])
    rows += [("wavelet denoiser, undecimated", "default", denoiser("wavelet"))]
    rows += grid("wavelet, scikit-image", ski_wavelet, [0.7, 1.0])
    return [*rows, ("red", "default", ours("red"))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--noisy", type=Path)
    parser.add_argument("--sigma", type=float, default=25.0, help="of 255")
    options = parser.parse_args()
    sigma = options.sigma / 255
    pairs = []
    for path in sorted(options.clean.iterdir()):
        truth = load(path).x
        if options.noisy:
            pairs.append((truth, load(options.noisy / path.name).x))
        else:
            noise = f"gaussian:sigma={sigma},quantise=true"
            pairs.append((truth, invprior.simulate(truth, operator="denoise", noise=noise)[0]))
    best: dict[str, tuple[float, str, float]] = {}
    for row, setting, method in methods():
        began = time.perf_counter()
        scores = [float(PSNR().measure(method(y, sigma), truth)) for truth, y in pairs]
        seconds = (time.perf_counter() - began) / len(pairs)
        best[row] = max(
            best.get(row, (0.0, "", 0.0)), (sum(scores) / len(scores), setting, seconds)
        )
    noisy = sum(float(PSNR().measure(y, truth)) for truth, y in pairs) / len(pairs)
    table = Table("method", "setting", "average PSNR [dB]", "s an image", box=None)
    table.add_row("noisy", "", f"{noisy:.2f}", "")
    for row, (score, setting, seconds) in best.items():
        table.add_row(row, setting, f"{score:.2f}", f"{seconds:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
