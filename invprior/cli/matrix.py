"""`invprior matrix`: images x operators x noises x priors x solvers x seeds, in one run that survives anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from invprior.cli.console import err, out, reporting
from invprior.cli.matrix_gate import gate
from invprior.cli.matrix_report import report

app = typer.Typer(
    help="Compare priors on images: plan, run, and look at what came of it.", no_args_is_help=True
)

Config = Annotated[
    str,
    typer.Argument(
        help="A .toml file, or the name of one that comes with invprior: quick, paper-denoising, "
        "paper-super-resolution, paper-inpainting, paper-ablation."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(help="The folder that images are named relative to; absent: the current one."),
]
Size = Annotated[
    int,
    typer.Option(min=0, help="Crop images around their middle to this many pixels; 0: do not."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The folder of results; absent: invprior-out/matrix-NAME."),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ... or auto.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Cells at a time; absent: as many as there are processors for."),
]
Threads = Annotated[int, typer.Option(min=1, help="Threads of each cell.")]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AXIS=PATTERN",
        help="Only these cells, e.g. prior=tv* or image=F16, or all but these, prior!=dip*; repeated for one axis, "
        "each pattern adds cells or takes some away, for several axes all must fit.",
    ),
]
Folder = Annotated[Path, typer.Argument(help='The folder that "invprior matrix run" has written.')]
app.command()(report)
app.command()(gate)


@app.command()
@reporting
def plan(
    config: Config = "quick",
    data: Data = None,
    size: Size = 0,
    output: Output = None,
    device: Device = "cpu",
    workers: Workers = None,
    threads: Threads = 1,
    only: Only = None,
) -> None:
    """Show the cells, what does not fit and why, what is missing, and about how long it takes; compute nothing."""
    from invprior.cli import matrix_run, matrix_tables
    from invprior.matrix.execution import plan as planning

    crew = matrix_run.shape(workers, threads, device)
    store = matrix_run.looked_at(config, data, size, output, device, threads)
    found = store.look(matrix_run.selected(store.jobs(), only))
    with matrix_run.counting("timing a few steps of each row"):
        rows = list(planning.plan(found))
    out.print(matrix_tables.planned(rows))
    for line in matrix_tables.outlook(rows, crew.workers, crew.threads):
        out.print(escape(line), soft_wrap=True)


@app.command()
@reporting
def run(
    config: Config = "quick",
    data: Data = None,
    size: Size = 0,
    output: Output = None,
    device: Device = "cpu",
    workers: Workers = None,
    threads: Threads = 1,
    only: Only = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Compute again what other code has made.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Compute again what has failed before.")
    ] = False,
    engine: Annotated[
        Literal["local", "dask"], typer.Option(help="Processes of this machine, or a Dask cluster.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Dask scheduler, tcp://HOST:PORT; absent: a cluster on this machine."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Compute the cells that have no record yet; the same command goes on where a run was cut off.

    Exit code 1 when cells have failed.
    """
    from invprior.cli import matrix_run, matrix_tables

    crew = matrix_run.shape(workers, threads, device)
    store = matrix_run.made(config, data, size, output, device, threads)
    planned = store.jobs()
    chosen = matrix_run.selected(planned, only)
    with store.locked():
        aside = store.tidy(planned)
        todo = matrix_run.todo(store.look(chosen), refresh=refresh, retry=retry)
        events = matrix_run.events(store, todo, crew, engine, address)
        matrix_run.watch(events, todo, crew.workers, quiet=quiet)
        found = store.look(chosen)
    if not quiet:
        out.print(matrix_tables.counts(found))
        for line in matrix_tables.remarks(found, aside):
            err.print(f"[yellow]{escape(line)}[/]", soft_wrap=True)
        out.print(escape(f"Records and images are in {store.folder}"), soft_wrap=True)
    if any(f.record is None or f.record.status not in ("ok", "incompatible") for f in found):
        raise typer.Exit(1)


@app.command()
@reporting
def status(folder: Folder, only: Only = None) -> None:
    """Count the cells of a folder of results by how they stand."""
    from invprior.cli import matrix_run, matrix_tables
    from invprior.matrix.results.store import Store

    store = Store.open(folder)
    planned = store.jobs()
    found = store.look(matrix_run.selected(planned, only))
    out.print(matrix_tables.counts(found))
    for line in matrix_tables.remarks(found, len(store.superseded(planned))):
        out.print(escape(line), soft_wrap=True)


@app.command()
@reporting
def why(
    cell: Annotated[
        str,
        typer.Argument(help='The beginning of a cell\'s key, or words of it: "camera blur tv".'),
    ],
    folder: Folder,
) -> None:
    """Say how a cell stands, and what has changed since its record was made."""
    from invprior.matrix.results.explain import cell_named, explain, label
    from invprior.matrix.results.store import Store

    store = Store.open(folder)
    planned = store.jobs()
    job = cell_named(planned, cell)
    out.print(f"[bold]{escape(job.key)}[/]  {escape(label(job))}", soft_wrap=True)
    for line in explain(store, planned, job):
        out.print(escape(line), soft_wrap=True)


@app.command()
@reporting
def merge(
    folders: Annotated[list[Path], typer.Argument(help="Folders of results of one matrix.")],
    into: Annotated[
        Path, typer.Option(help="The folder that takes them, new or of the same matrix.")
    ],
) -> None:
    """Bring results of several machines together; every record is verified, conflicts are named.

    Exit code 1 when there are conflicts or damaged records.
    """
    from invprior.matrix.results.merge import merge

    done = merge(folders, into)
    out.print(escape(f"Took {done.taken} records into {into}; {done.same} were there already."))
    for line in (*done.conflicts, *done.damaged):
        err.print(f"[yellow]{escape(line)}[/]", soft_wrap=True)
    if done.conflicts or done.damaged:
        raise typer.Exit(1)
