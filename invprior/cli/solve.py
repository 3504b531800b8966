"""`invprior solve`: restore an image."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from invprior.cli.console import err, out, reporting
from invprior.errors import OptionError


@reporting
def solve(
    context: typer.Context,
    image: Annotated[
        str,
        typer.Argument(
            help="The measurement: a file. With sample:NAME or sample:NAME:SIZE, a sample image "
            "is measured first and then restored."
        ),
    ] = "sample:astronaut:160",
    operator: Annotated[
        str, typer.Option(help="Forward operator A, e.g. blur:sigma=2.")
    ] = "denoise",
    prior: Annotated[
        str, typer.Option(help='Prior R, e.g. tv:weight=8 or "dip+tv:weight=1".')
    ] = "dip",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The restoration's file, or a folder; absent: a new folder."
        ),
    ] = None,
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Take the file as the true image, and measure it first."),
    ] = False,
    truth: Annotated[
        Path | None, typer.Option(help="The true image's file, only to score the result.")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            help="Noise to simulate, or what is known of it, e.g. gaussian:sigma=0.05; what is left open, "
            "as in poisson, is estimated, all of it when auto or absent."
        ),
    ] = None,
    fidelity: Annotated[
        str | None,
        typer.Option(help="Data fidelity E, e.g. huber; absent: the one that fits the noise."),
    ] = None,
    solver: Annotated[str, typer.Option(help="Solver; auto picks one that fits.")] = "auto",
    weight: Annotated[
        str,
        typer.Option(
            help="How to choose the weight of a prior that is given none: auto, sure, filled, gcv, holdout, "
            "discrepancy, l-curve, or default for the prior's own."
        ),
    ] = "auto",
    weight_curve: Annotated[
        bool,
        typer.Option("--weight-curve", help="Write a plot of the weights that were tried, PNG."),
    ] = False,
    stop: Annotated[
        str | None, typer.Option(help='Stopping rule, e.g. "discrepancy | max-steps:steps=500".')
    ] = None,
    steps: Annotated[int | None, typer.Option(help="At most so many iterations.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 0,
    runs: Annotated[
        int,
        typer.Option(
            min=1,
            help="Independent runs of a prior that draws random numbers; the result is their mean.",
        ),
    ] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    dtype: Annotated[Literal["float32", "float64"], typer.Option(help="Precision.")] = "float32",
    nan: Annotated[
        Literal["refuse", "mask"],
        typer.Option(help="NaN in the measurement: refuse it, or leave these values out."),
    ] = "refuse",
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Go on with a run that was cut off, from the folder it left; with no other option "
            "than --steps, --explain, --json and --quiet.",
        ),
    ] = None,
    checkpoint: Annotated[
        bool,
        typer.Option(
            "--checkpoint/--no-checkpoint", help="Keep the state on disk while the run goes on."
        ),
    ] = True,
    checkpoint_every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Time between two checkpoints.")
    ] = 5.0,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory that the run may take beyond Python's own, such as 4GB; what needs more takes narrower "
            "precision, recomputes layers or works in tiles. Absent: a run that needs more than is free is refused.",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Print what was chosen for you, noise, weight, solver, step and stop, and why.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the record as JSON on stdout.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Restore an image: minimise E(A x; y) + R(x) over x, or over a network that makes x.

    With no image, a sample is degraded by the operator and restored:

        invprior solve --operator blur --prior dip

    Operators, priors and the other parts are written name:key=value,key=value;
    "invprior describe KIND NAME" shows what each can be given.
    """
    from invprior.cli.inputs import Options
    from invprior.cli.outputs import to_json
    from invprior.cli.progress import notes_on_stderr
    from invprior.cli.session import Session
    from invprior.cli.summary import explained

    with notes_on_stderr(quiet):
        if resume is not None:
            _only_resume(context)
            session = Session.resume(resume, steps)
        else:
            options = Options(
                image=image,
                operator=operator,
                prior=prior,
                output=None if output is None else str(output),
                simulate=simulate,
                truth=None if truth is None else str(truth),
                noise=noise,
                fidelity=fidelity,
                solver=solver,
                weight=weight,
                weight_curve=weight_curve,
                stop=stop,
                steps=steps,
                seed=seed,
                runs=runs,
                device=device,
                dtype=dtype,
                nan=nan,
                overwrite=overwrite,
                checkpoint=checkpoint,
                checkpoint_every=checkpoint_every,
                memory_limit=memory_limit,
            )
            session = Session.prepare(options, command=sys.argv[1:])
        solution = session.run(quiet=quiet or as_json)
        record = session.write(solution)
    if as_json:
        print(to_json(record))
    elif not quiet:
        paths = [path for path in record["files"].values() if path is not None]
        names = ", ".join(path.name for path in paths)
        out.print(session.table(record))
        if explain:
            out.print(explained(solution.choices), "")
        out.print(escape(f"Wrote {names} in {paths[0].parent}"), soft_wrap=True)
    if not solution.stop.ok:
        err.print(f"[yellow]{escape(solution.stop.message)}.[/]", soft_wrap=True)
    raise typer.Exit({"interrupted": 130, "diverged": 2}.get(solution.stop.name, 0))


def _only_resume(context: typer.Context) -> None:
    """Refuse options that the run to be resumed has already."""
    allowed = {"resume", "steps", "explain", "as_json", "quiet"}
    given = [
        max(parameter.opts, key=len) if parameter.param_type_name == "option" else "an image"
        for parameter in context.command.params
        if parameter.name not in allowed
        and parameter.name is not None
        and (source := context.get_parameter_source(parameter.name)) is not None
        and source.name == "COMMANDLINE"
    ]
    if given:
        raise OptionError(
            f"--resume goes on with the options of the run that was cut off; got {', '.join(given)} too. "
            "Only --steps (a higher limit), --explain, --json and --quiet may be given with it."
        )
