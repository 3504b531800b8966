"""`invprior degrade`: simulate a measurement and save it without loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from invprior.cli import completion, streams
from invprior.cli.console import err, out, reporting

if TYPE_CHECKING:
    from torch import Tensor

    from invprior.io.images import Image


@reporting
def degrade(
    image: Annotated[
        str, typer.Argument(help="The true image: a file, sample:NAME, or - for standard input.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="File of the measurement: .npy, .npz or .tif; - for standard output.",
        ),
    ],
    operator: Annotated[
        str,
        typer.Option(
            help="Forward operator, e.g. blur:sigma=2.",
            autocompletion=completion.plugins("operators"),
        ),
    ] = "denoise",
    noise: Annotated[
        str | None,
        typer.Option(
            help="Noise. Default: gaussian:sigma=0.098 for denoise, gaussian:sigma=0.01 for other operators.",
            autocompletion=completion.plugins("noises"),
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Simulate a measurement y = noise(A(x)) of a known image and save it as floats, without loss."""
    # Imported here because they import torch, which `--help` must not wait for.
    import torch

    from invprior.builders.problem import measurement_axes
    from invprior.builders.simulation import default_noise, simulate
    from invprior.io import lock, samples
    from invprior.io.save import check_numbers, save_numbers, writable
    from invprior.numerics.threads import compute_with
    from invprior.operators.imaging import measures_images

    compute_with()
    if str(output) == streams.NAME:
        with streams.sending(output) as folder:
            path = Path(folder or "", "measurement.npy")
            degrade(image, path, operator, noise, seed, overwrite=False, quiet=True)
            streams.send(path)
        return
    truth = streams.received(torch.float32) if image == streams.NAME else samples.resolve(image)
    numbers = measurement_axes(operator) != 3
    # Before anything is computed.
    if numbers:
        check_numbers(output, overwrite=overwrite)
    else:
        _, channels, rows, _ = truth.x.shape
        writable(output, like=truth, channels=channels, rows=rows, overwrite=overwrite)
    lock.acquire(output)
    chosen = noise or default_noise(operator)
    y, made = simulate(truth.x, operator=operator, noise=chosen, seed=seed)
    if numbers:
        save_numbers(output, y, overwrite=overwrite)
    else:
        _save_image(output, y, truth if measures_images(made, y) else None, overwrite)
    if not quiet:
        shape = " x ".join(str(n) for n in made.measurement_shape[0 if numbers else 1 :])
        text = f"{operator} with {chosen}, seed {seed}: {shape} measurement in {output}"
        out.print(escape(text), soft_wrap=True)


def _save_image(output: Path, y: Tensor, truth: Image | None, overwrite: bool) -> None:
    """Write the measurement, with the metadata and the alpha channel of the true image if it is a picture too."""
    from invprior.io import encoders
    from invprior.io.losses import losses
    from invprior.io.save import save

    depth = "float32" if "float32" in encoders.DEPTHS[encoders.suffix_of(output) or ""] else None
    save(output, y, depth=depth, like=truth, overwrite=overwrite)
    # Noise makes floats of integers.
    for note in losses(output, y, None if truth is None else replace(truth, depth="float32")):
        err.print(f"[yellow]Note: {escape(note)}.[/]", soft_wrap=True)
