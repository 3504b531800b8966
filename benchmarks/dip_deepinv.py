"""Quality at time budgets, compared with deepinv's DeepImagePrior with its ConvDecoder.

    pip install deepinv==0.5.0     (in an environment of its own)
    python benchmarks/dip_deepinv.py --image F16.png [--budgets 10 30 60 120]

Denoises one image, 256 x 256, sigma 25, with `dip` and with deepinv in two settings: those of its documentation's
example (64 channels, a 2 x 2 input) and its classes' defaults (256 channels, 4 x 4), both with its default Adam at
0.01. All run in turns in one process; scoring is not timed.

deepinv's loop is closed and returns its network's output after a fixed number of iterations. A hook on the network
returns every output; the loop, in its own thread, waits there during the turns of the others. Its learning rate is
constant, so the output at a budget is exactly what a run of that many iterations returns. `best` is the best output
up to the budget. Users cannot know it; it is shown in deepinv's favour.
"""

from __future__ import annotations

import argparse
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from common import (
    Side,
    curve_plot,
    in_turns,
    noisy,
    ours,
    psnr,
    read,
    save_plot,
    show,
    table_of,
    write_csv,
    write_curves,
)
from torch import Tensor, nn

SETTINGS = {"its example": (64, (2, 2)), "its defaults": (256, (4, 4))}


class _LeaveError(BaseException):
    """Ends a closed loop from inside."""


def opened(network: nn.Module, run: Callable[[], object]) -> Iterator[Tensor]:
    """Turn a closed loop into an iterator over its network's outputs.

    Args:
        network: its forward passes are the outputs.
        run: the loop; it advances only while a caller waits for the next output.
    """
    outputs: queue.Queue[Tensor | BaseException] = queue.Queue()
    go, leaving = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        go.acquire()
        if leaving.is_set():
            raise _LeaveError

    def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
        outputs.put(output.detach())
        wait()

    def work() -> None:
        try:
            wait()
            run()
            outputs.put(StopIteration())
        except _LeaveError:
            pass
        except BaseException as error:
            outputs.put(error)

    handle = network.register_forward_hook(hook)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            go.release()
            found = outputs.get()
            if isinstance(found, StopIteration):
                return
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        leaving.set()
        go.release()
        thread.join()
        handle.remove()


def theirs(
    y: Tensor, sigma: float, seed: int, channels: int, in_size: tuple[int, int]
) -> Iterator[Tensor]:
    """Run deepinv's Deep Image Prior without end."""
    from deepinv.models import ConvDecoder, DeepImagePrior
    from deepinv.physics import Denoising, GaussianNoise

    torch.manual_seed(seed)
    network = ConvDecoder(img_size=tuple(y.shape[1:]), in_size=in_size, channels=channels)
    physics = Denoising(noise_model=GaussianNoise(sigma=sigma / 255))
    model = DeepImagePrior(network, img_size=(channels, *in_size), iterations=10**9)
    return opened(network, lambda: model(y, physics))


def at_budget(side: Side, budget: float) -> tuple[int, float, float] | None:
    """Return the iterations done within the budget, the last PSNR, and the best PSNR."""
    rows = [(step, score) for step, at, score in side.curve if at <= budget]
    return (*rows[-1], max(score for _, score in rows)) if rows else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", default="sample:astronaut", help="a file or sample:NAME")
    parser.add_argument("--size", type=int, default=256, help="the central square is reduced to it")
    parser.add_argument("--sigma", type=float, default=25.0, help="noise, of 255")
    parser.add_argument("--prior", nargs="+", default=["dip"])
    parser.add_argument("--budgets", type=float, nargs="+", default=[10, 30, 60, 120], help="s")
    parser.add_argument("--turn", type=float, default=5.0, help="seconds of a turn")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("dip_deepinv.csv"))
    options = parser.parse_args()
    try:
        import deepinv
    except ImportError as error:
        raise SystemExit(f"deepinv cannot be imported ({error}); pip install deepinv") from None
    torch.set_num_threads(options.threads)
    truth = read(options.image, options.size)
    y = noisy(truth, options.sigma, seed=options.seed)
    loops: dict[str, Callable[[Tensor], Iterator[Tensor]]] = {
        prior: lambda y, prior=prior: ours(y, prior, options.sigma, options.seed)
        for prior in options.prior
    }
    for name, (channels, in_size) in SETTINGS.items():
        loops[f"deepinv, {name}"] = lambda y, c=channels, s=in_size: theirs(
            y, options.sigma, options.seed, c, s
        )
    for begin in loops.values():  # the first call of a library initialises it
        warm = begin(y[..., :32, :32].contiguous())
        next(warm)
        warm.close()  # type: ignore[attr-defined]

    budgets = sorted(options.budgets)
    sides = [
        Side(name, begin(y), truth, lambda side: side.seconds > budgets[-1])
        for name, begin in loops.items()
    ]
    in_turns(sides, lambda: write_curves(options.output, sides), options.turn)

    title = (
        f"{options.image}, {options.size} x {options.size}, sigma {options.sigma:g}, measurement "
        f"{psnr(y, truth):.2f} dB; {options.threads} threads, deepinv {deepinv.__version__}, "
        f"torch {torch.__version__}. PSNR [dB] returned (best so far) after:"
    )
    table = table_of("method", "s an iteration", *(f"{budget:g} s" for budget in budgets))
    rows = []
    for side in sides:
        cells = []
        for budget in budgets:
            found = at_budget(side, budget)
            cells.append("none yet" if found is None else f"{found[1]:.2f} ({found[2]:.2f})")
            rows.append((side.name, budget, *(found or ("", "", ""))))
        table.add_row(side.name, f"{side.per_step:.4f}", *cells)
    show(title, table)
    for side in sides[: len(options.prior)]:
        ahead = []
        for budget in budgets:
            own = at_budget(side, budget)
            others = [at_budget(other, budget) for other in sides[len(options.prior) :]]
            best = max((found[2] for found in others if found is not None), default=0.0)
            if own is not None and own[1] > best:
                ahead.append(f"{budget:g} s (+{own[1] - best:.2f} dB)")
        where = ", ".join(ahead) or "no budget"
        show(f"{side.name}, as returned, is above deepinv's best so far at: {where}")
    path = options.output.with_name(f"{options.output.stem}-budgets.csv")
    write_csv(path, ("method", "budget", "step", "returned", "best"), rows)
    heading = f"Denoising, sigma {options.sigma:g}, {options.size} x {options.size}"
    curves = [
        (s.name, [at for _, at, _ in s.curve], [db for *_, db in s.curve]) for s in sides if s.curve
    ]
    save_plot(curve_plot(curves, heading, budgets), options.output)


if __name__ == "__main__":
    main()
