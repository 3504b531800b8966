"""Seconds per iteration of `dip:preset=paper`, compared with the authors' own code.

    git clone https://github.com/DmitryUlyanov/deep-image-prior /tmp/dip_authors
    python benchmarks/dip_authors.py --authors /tmp/dip_authors [--size 256 512] [--device cuda]

Their network comes from their checkout, which this project neither contains nor fetches. The step around it follows
their denoising.ipynb: perturb the input, forward, running average, mean squared error, backward, Adam. They also
compute three PSNRs in every iteration with scikit-image. `--with-psnr` adds them; without it the comparison favours
them. Both sides restore the same noisy image in turns of a few iterations, and the order changes with every round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from common import noisy, read, show, table_of, write_csv
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor, nn

import invprior

INPUT_NOISE, DECAY, LR, CHANNELS = 1 / 30, 0.99, 0.01, 32  # as in their notebook


def authors_network(folder: Path, channels: int) -> nn.Module:
    """Build the network of their denoising experiment."""
    if not (folder / "models" / "skip.py").exists():
        raise SystemExit(f"{folder} is no checkout of the authors' code: it has no models/skip.py.")
    sys.path.insert(0, str(folder))
    from models import get_net  # type: ignore[import-not-found]

    made: nn.Module = get_net(
        CHANNELS, "skip", "reflection", n_channels=channels, skip_n33d=128, skip_n33u=128,
        skip_n11=4, num_scales=5, upsample_mode="bilinear",
    )  # fmt: skip
    return made


def authors_loop(network: nn.Module, y: Tensor, truth: Tensor, with_psnr: bool) -> Iterator[Tensor]:
    """Run their iteration; yield the averaged output after each."""
    z = torch.rand(1, CHANNELS, *y.shape[-2:]).to(y) * 0.1
    noise, average = torch.empty_like(z), None
    optimizer = torch.optim.Adam(network.parameters(), lr=LR)
    mse = nn.MSELoss()
    while True:
        optimizer.zero_grad()
        output = network(z + noise.normal_() * INPUT_NOISE)
        detached = output.detach()
        average = detached if average is None else average * DECAY + detached * (1 - DECAY)
        loss = mse(output, y)
        loss.backward()
        if with_psnr:
            for clean, x in ((y, detached), (truth, detached), (truth, average)):
                # They leave data_range to scikit-image, which takes 1 for such images.
                peak_signal_noise_ratio(clean[0].cpu().numpy(), x[0].cpu().numpy(), data_range=1)
            loss.item()
        optimizer.step()
        yield average


def our_loop(y: Tensor, prior: str, sigma: float) -> tuple[int, Iterator[Tensor]]:
    """Return the number of parameters of our network, and our loop."""
    (problem,) = invprior.build(
        y, operator="denoise", prior=prior, noise=f"gaussian:sigma={sigma / 255}", data_range=(0, 1)
    )
    assert problem.reparameterization is not None
    start = problem.initial_estimate()
    built = problem.reparameterization.build(start, torch.Generator().manual_seed(0))
    return parameters(built), (now.x for now in invprior.iterate(problem, seed=0))


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def seconds_each(loop: Iterator[Tensor], steps: int) -> float:
    """Return the seconds of an iteration over several; the device is synchronised at their end only."""
    began = time.perf_counter()
    for x in islice(loop, steps):
        last = x
    if last.is_cuda:
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / steps


def compare(
    size: int, options: argparse.Namespace
) -> tuple[list[list[object]], list[list[object]]]:
    """Return the table's rows for one size, and each round's times."""
    truth = read(options.image, size)
    y = noisy(truth, options.sigma, seed=0).to(options.device)
    torch.manual_seed(0)
    network = authors_network(options.authors, y.shape[1]).to(y)
    count = parameters(network)
    sides = {"authors' code": authors_loop(network, y, truth, options.with_psnr)}
    for prior in options.prior:
        mine, sides[prior] = our_loop(y, prior, options.sigma)
        if mine != count:
            raise SystemExit(
                f"{prior} has {mine:,} parameters, the authors' network {count:,}: they must be equal."
            )
    times: dict[str, list[float]] = {name: [] for name in sides}
    for loop in sides.values():
        seconds_each(loop, options.warm_up)
    try:
        for number in range(options.rounds):
            for name in list(sides)[:: -1 if number % 2 else 1]:
                times[name].append(seconds_each(sides[name], options.steps))
    except KeyboardInterrupt:
        print("interrupted; these are the results so far")
    theirs = times["authors' code"]
    rows: list[list[object]] = []
    for name, own in times.items():
        pairs = list(zip(theirs, own, strict=False))
        if not pairs:
            continue
        ratio = statistics.median(a / b for a, b in pairs)
        median = statistics.median(own)
        rows.append(
            [
                f"{size} x {size}",
                name,
                f"{count:,}",
                f"{median:.4f}",
                f"{min(own):.4f}",
                f"{ratio:.3f}",
            ]
        )
    log = [[size, name, k, f"{at:.5f}"] for name, own in times.items() for k, at in enumerate(own)]
    return rows, log


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--authors", type=Path, required=True, help="a checkout of their code")
    parser.add_argument("--image", default="sample:astronaut", help="a file or sample:NAME")
    parser.add_argument("--size", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--sigma", type=float, default=25.0, help="noise, of 255")
    parser.add_argument("--prior", nargs="+", default=["dip:preset=paper"])
    parser.add_argument("--with-psnr", action="store_true", help="their three PSNRs an iteration")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=2, help="iterations of a side in a round")
    parser.add_argument("--warm-up", type=int, default=2, help="iterations that do not count")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, default=Path("dip_authors.csv"))
    options = parser.parse_args()
    if min(options.size) < 64:
        parser.error(
            "--size must be at least 64: their network needs two pixels at its coarsest scale"
        )
    torch.set_num_threads(options.threads)
    extra = " with its PSNRs" * options.with_psnr
    title = (
        f"One iteration, {options.device}, {options.threads} threads, torch {torch.__version__}; medians "
        f"of {options.rounds} rounds of {options.steps}; the authors' code{extra}"
    )
    table = table_of("image", "code", "parameters", "s an iteration", "least", "times as fast")
    log: list[list[object]] = []
    for size in options.size:
        rows, more = compare(size, options)
        for row in rows:
            table.add_row(*map(str, row))
        log += more
        write_csv(options.output, ("size", "code", "round", "seconds"), log)
    show(title, table)
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
