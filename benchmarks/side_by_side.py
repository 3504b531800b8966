"""Time of a step of total variation's prox for each image, with 1 to 16 images in a call.

    python benchmarks/side_by_side.py [--sizes 32 64 128 256] [--threads 1] [--seconds 8]

Each is the smallest of many short times, which take turns. A step is that of `invprior/numerics/tv_prox.py`, without
its checks of the gap.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from invprior.numerics.tv_differences import differences_into, square_norms, subtract_adjoint

STEPS = 16  # of one image in each time that is taken


def steps(images: int, side: int) -> Callable[[], None]:
    """Return a function that does `STEPS / images` steps of so many images."""
    v = torch.randn(images, 1, side, side)
    x, x_u, ahead = v.clone(), torch.empty_like(v), torch.empty_like(v)
    u = v.new_zeros(images, 2, 1, side, side)
    field, moved = torch.zeros_like(u), torch.empty_like(u)

    def run() -> None:
        for _ in range(STEPS // images):
            subtract_adjoint(v, u, 0.1, out=x_u)
            torch.lerp(x, x_u, 0.2, out=ahead)
            x.lerp_(x_u, 0.19)
            differences_into(field, ahead)
            torch.add(u, field, out=moved)
            moved.mul_(square_norms(moved, "vectorial").clamp_(min=1.0).rsqrt_())
            u.lerp_(moved, 1.9)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=8.0, help="for each size")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # The thread's own time where it works alone, as other programs then add little to it.
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    for side in options.sizes:
        runs = {images: steps(images, side) for images in (1, 2, 4, 8, 16)}
        least = dict.fromkeys(runs, float("inf"))
        end = time.perf_counter() + options.seconds
        while least[16] == float("inf") or time.perf_counter() < end:
            for images, run in runs.items():
                began = clock()
                run()
                least[images] = min(least[images], (clock() - began) / STEPS)
        cells = (f"{images} images {1e6 * seconds:.0f}" for images, seconds in least.items())
        print(f"{side} px, microseconds for each image: {', '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
