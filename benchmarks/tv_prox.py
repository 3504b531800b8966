"""Time of total variation's prox to a relative energy gap of 1e-4, compared with scikit-image and deepinv.

    python benchmarks/tv_prox.py [--image FILE] [--sigma 25] [--weight 10] [--threads 1]

All three minimise tau TV(x) + 1/2 ||x - v||^2 with isotropic TV of each channel, in float32. The gap of each is the
distance of its energy from a lower bound that our dual certifies to 1e-7, so it favours none. invprior stops by
itself, and its time includes its checks. For the others the least number of iterations that reaches the gap is
found, within 1/8, and that one call is timed. scikit-image's NumPy code always runs on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import imageio.v3 as imageio
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from skimage import data
from skimage.restoration import denoise_tv_chambolle
from torch import Tensor

from invprior.priors.tv import TV

GAP = 1e-4
LIMIT = 50_000  # iterations after which the search for a method ends


def noisy_image(path: str | None, sigma: float) -> Tensor:
    """Return an image, by default the astronaut, with noise: (1, C, H, W), float32."""
    clean = np.atleast_3d(data.astronaut() if path is None else imageio.imread(path))[..., :3]
    noise = np.random.default_rng(0).normal(0.0, sigma, clean.shape)
    return torch.from_numpy(((clean + noise) / 255.0).astype(np.float32)).permute(2, 0, 1)[None]


def energy(x: Tensor, v: Tensor, tau: float) -> float:
    """Return tau TV(x) + 1/2 ||x - v||^2 in double precision."""
    x, v = x.double(), v.double()
    return float(tau * TV(kind="isotropic").value(x) + 0.5 * (x - v).square().sum())


def timed(call: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Run once; return the result and the seconds."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def time_to_gap(
    run: Callable[[int], Tensor], gap: Callable[[Tensor], float]
) -> tuple[int, float, float] | None:
    """Find the iterations that reach the gap, by doubling and bisection, and time that one call.

    Returns:
        Iterations, seconds and the gap reached; None when LIMIT iterations do not reach it.
    """
    fails, steps = 0, 50
    best: tuple[int, float, float] | None = None
    while best is None or best[0] - fails > best[0] // 8:
        x, seconds = timed(partial(run, steps))
        if gap(x) <= GAP:
            best = steps, seconds, gap(x)
        else:
            fails = steps
        steps = 2 * steps if best is None else (fails + best[0]) // 2
        if steps > LIMIT:
            return None
    return best


def scikit_image(v: Tensor, tau: float) -> Callable[[int], Tensor]:
    image = v[0].permute(1, 2, 0).numpy()

    def run(steps: int) -> Tensor:
        x = denoise_tv_chambolle(image, weight=tau, eps=0.0, max_num_iter=steps, channel_axis=-1)
        return torch.from_numpy(x).permute(2, 0, 1)[None]

    return run


def deepinv(v: Tensor, tau: float) -> Callable[[int], Tensor] | None:
    try:
        from deepinv.optim.prior import TVPrior
    except ImportError:
        return None
    return lambda steps: TVPrior(def_crit=0.0, n_it_max=steps).prox(v, gamma=tau)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", help="any image file; default: the bundled astronaut")
    parser.add_argument("--sigma", type=float, default=25.0, help="noise to add, of 255")
    parser.add_argument("--weight", type=float, default=10.0, help="tau = weight * (sigma / 255)^2")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    v = noisy_image(arguments.image, arguments.sigma)
    tau = arguments.weight * (arguments.sigma / 255.0) ** 2
    reference = energy(TV(kind="isotropic", gap=1e-7).prox(v.double(), tau), v, tau)
    least = reference * (1.0 - 1e-7)

    def gap(x: Tensor) -> float:
        return energy(x, v, tau) / least - 1.0

    prior = TV(kind="isotropic", gap=GAP)
    prior.prox(v, tau)  # the first call allocates memory and starts threads
    x, ours = timed(lambda: prior.prox(v, tau))
    rows = [("invprior", "to its own check", f"{ours:.3f}", f"{gap(x):.1e}", "1")]
    for name, run in (("scikit-image", scikit_image(v, tau)), ("deepinv", deepinv(v, tau))):
        if run is None:
            rows.append((name, "deepinv not installed", "", "", ""))
        elif (found := time_to_gap(run, gap)) is None:
            rows.append((name, f"> {LIMIT}", "", f"> {GAP:g}", ""))
        else:
            steps, seconds, reached = found
            ratio = f"{seconds / ours:.1f}"
            rows.append((name, str(steps), f"{seconds:.3f}", f"{reached:.1e}", ratio))

    size = " x ".join(map(str, v.shape[1:]))
    threads = f"{arguments.threads} thread" + "s" * (arguments.threads > 1)
    table = Table(title=f"{size}, sigma {arguments.sigma:g}/255, tau {tau:.3f}, {threads}")
    for column in ("method", "iterations", f"seconds to {GAP:g}", "gap reached", "times ours"):
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
