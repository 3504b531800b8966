"""`invprior solve`: restore a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from invprior.cli.console import err, out, reporting

_SPECS = "Parts are specs, name:key=value,key=value; invprior describe KIND NAME lists the options."


@reporting
def solve(
    picture: Annotated[
        str | None,
        typer.Argument(
            help="The measurement: a file. Absent, or sample:NAME: a sample picture is measured and restored."
        ),
    ] = None,
    operator: Annotated[
        str, typer.Option(help="Forward operator A, e.g. blur:sigma=2.")
    ] = "denoise",
    prior: Annotated[
        str, typer.Option(help='Prior R, e.g. tv:weight=8 or "dip+tv:weight=1".')
    ] = "dip",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The restoration's file, or a folder. [default: a new folder]"
        ),
    ] = None,
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Take the file as the true picture, and measure it first."),
    ] = False,
    truth: Annotated[
        Path | None, typer.Option(help="The true picture's file, only to score the result.")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(help="Noise to simulate, or what is known of it, e.g. gaussian:sigma=0.05."),
    ] = None,
    fidelity: Annotated[
        str | None, typer.Option(help="Data fidelity E. [default: fits the noise]")
    ] = None,
    solver: Annotated[str, typer.Option(help="Solver; auto picks one that fits.")] = "auto",
    stop: Annotated[
        str | None, typer.Option(help='Stopping rule, e.g. "discrepancy | max-steps:steps=500".')
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="At most so many iterations.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every random number.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    dtype: Annotated[Literal["float32", "float64"], typer.Option(help="Precision.")] = "float32",
    nan: Annotated[
        Literal["refuse", "mask"],
        typer.Option(help="NaN in the measurement: refuse it, or leave these values out."),
    ] = "refuse",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the record as JSON on stdout.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Restore a picture: minimise E(A x; y) + R(x) over x, or over a network that makes x.

    With no picture, a bundled sample is degraded by the operator and restored:

        invprior solve --operator blur --prior dip
    """
    from invprior.cli.session import Session

    session = Session.prepare(
        picture,
        operator=operator,
        prior=prior,
        output=output,
        simulated=simulate,
        truth=truth,
        noise=noise,
        fidelity=fidelity,
        solver=solver,
        stop=stop,
        steps=steps,
        seed=seed,
        device=device,
        dtype=dtype,
        nan=nan,
        overwrite=overwrite,
    )
    result = session.run(quiet=quiet or as_json)
    record: dict[str, Any] = session.write(result, command=sys.argv[1:])
    if as_json:
        from invprior.cli.outputs import to_json

        print(to_json(record))
    elif not quiet:
        out.print(session.table(record))
        out.print(f"[dim]in {session.outputs.restoration.parent}/[/]")
    code = 0
    if not result.stop.ok:
        err.print(f"[yellow]{result.stop.message}.[/]", soft_wrap=True)
        code = {"interrupted": 130, "diverged": 2}.get(result.stop.name, 0)
    raise typer.Exit(code)
