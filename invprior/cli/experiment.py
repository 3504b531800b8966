"""`invprior experiment`: experiments on the prior itself, with plots, tables and images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invprior.cli.console import err, reporting

app = typer.Typer(
    help="Experiments on the prior itself, with plots and data.", no_args_is_help=True
)

Source = Annotated[
    str, typer.Argument(help="The true image: a file, sample:NAME or sample:NAME:SIZE.")
]
Seed = Annotated[int, typer.Option(help="Seed of every random number.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="A folder. Default: a new one below invprior-out."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]


@app.command()
@reporting
def impedance(
    image: Source = "sample:astronaut:128",
    prior: Annotated[
        str | None,
        typer.Option(help="A dip spec. Default: the paper's network at half its width or less."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Iterations of each of the four fits. Default: 500.")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(help="Noise of the second target. Default: gaussian:sigma=0.098,clip=true."),
    ] = None,
    seed: Seed = 0,
    output: Output = None,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Fit a network to an image, to the noisy image, to its shuffled pixels and to noise.

    The network fits an image easily and resists noise: the loss falls fast for the first target
    and more slowly for each of the others.
    """
    # Imported here because they import torch, which `--help` must not wait for. The defaults are constants of these
    # modules, so the options' own defaults are None.
    from invprior.builders.measurements import default_device
    from invprior.cli import experiment_run as run
    from invprior.experiments import impedance as experiment
    from invprior.io import samples

    given = samples.resolve(image)
    steps = experiment.STEPS if steps is None else steps
    claimed = run.claim(output, "impedance", image, given, experiment.FILES, overwrite=overwrite)
    with run.Bar(4 * steps, quiet) as bar:
        result = experiment.impedance(
            given.x.to(default_device()),
            prior=prior or experiment.PRIOR,
            steps=steps,
            noise=noise or experiment.NOISE,
            seed=seed,
            watch=bar,
        )
    folder = claimed()
    paths = result.write(folder, overwrite=overwrite)
    run.write_record(folder, image, result.record(), paths, overwrite=overwrite)
    if not quiet:
        run.say(run.losses(result), folder, paths)


@app.command()
@reporting
def ablation(
    image: Source = "sample:astronaut:128",
    operator: Annotated[
        str | None, typer.Option(help="Forward operator. Default: inpaint:keep=0.1.")
    ] = None,
    noise: Annotated[str | None, typer.Option(help="Noise. Default: gaussian:sigma=0.01.")] = None,
    networks: Annotated[
        list[str] | None,
        typer.Option(
            help="A network's spec, e.g. skip:down=[16,32]; repeatable. Default: skip of depth 1 "
            "to 5, and each other family."
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Iterations of each network. Default: 500.")
    ] = None,
    lr: Annotated[
        list[str] | None,
        typer.Option(
            help="Step size of a family, e.g. unet=0.002; repeatable. Default: the family's own."
        ),
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Maximum time for each network, in seconds.")
    ] = None,
    seed: Seed = 0,
    output: Output = None,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Restore one measurement with several networks in turn, and compare quality and time.

    A network that is refused or fails gets a row with the reason. After Ctrl-C, the results of the
    finished networks are written.
    """
    from invprior.builders.measurements import default_device
    from invprior.cli import experiment_run as run
    from invprior.experiments import ablation as experiment
    from invprior.io import samples

    given = samples.resolve(image)
    rates = run.rates_from(lr or [])
    steps = experiment.STEPS if steps is None else steps
    specs = networks or experiment.NETWORKS
    claimed = run.claim(output, "ablation", image, given, experiment.FILES, overwrite=overwrite)
    with run.Bar(len(specs) * steps, quiet) as bar:
        result = experiment.ablation(
            given.x.to(default_device()),
            operator=operator or experiment.OPERATOR,
            noise=noise or experiment.NOISE,
            networks=specs,
            steps=steps,
            time_limit=time_limit,
            rates=rates,
            seed=seed,
            watch=bar,
        )
    folder = claimed()
    paths = result.write(folder, overwrite=overwrite)
    run.write_record(folder, image, result.record(), paths, overwrite=overwrite)
    if not quiet:
        run.say(run.trials(result), folder, paths)
    for trial in result.trials:
        if not trial.ok:
            err.print(f"[yellow]{escape(trial.label)}: {escape(trial.end)}[/]", soft_wrap=True)
    if result.interrupted:
        done = f"{len(result.trials)} of {len(specs)}"
        err.print(f"[yellow]Interrupted; the results of {done} networks are written.[/]")
        raise typer.Exit(130)
