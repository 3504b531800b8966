"""`invprior matrix`: images x operators x noises x priors x solvers x seeds, in one run that survives crashes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, ParamSpec

import typer
from rich.markup import escape

from invprior.cli.console import err, out, reporting
from invprior.cli.matrix_only import Only, select
from invprior.cli.matrix_regression import regression
from invprior.cli.matrix_report import report

# Commands import what they need when they run: `invprior --help` must not wait for torch.

P = ParamSpec("P")

app = typer.Typer(
    help="Compare priors on images: plan, run, inspect and report.", no_args_is_help=True
)

Config = Annotated[
    str,
    typer.Argument(
        help="A .toml file, or the name of a built-in matrix: quick, paper-denoising, paper-denoising-50, "
        "paper-super-resolution, paper-inpainting, paper-ablation."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(help="The folder that images are named relative to; absent: the current one."),
]
Size = Annotated[
    int,
    typer.Option(min=0, help="Crop images around their centre to at most this many pixels; 0: no crop."),
]  # fmt: skip
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
Folder = Annotated[Path, typer.Argument(help='The folder that "invprior matrix run" has written.')]
app.command()(report)
app.command()(regression)


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
    """Show the cells, what does not fit and why, missing packages, and an estimate of the time; compute nothing."""
    from invprior.cli import matrix_run, matrix_tables
    from invprior.matrix.execution import session
    from invprior.matrix.execution.plan import plan

    parallel = session.parallelism(workers, threads, device)
    store = matrix_run.planned(config, data, size, output, device, threads)
    cells = store.inspect(select(store.jobs(), only))
    with matrix_run.status("timing a few steps of each row"):
        rows = list(plan(cells))
    out.print(matrix_tables.planned(rows))
    for line in matrix_tables.outlook(rows, parallel.workers, parallel.threads):
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
        bool, typer.Option("--refresh", help="Compute again the cells that other code has made.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Compute again the cells that have failed.")
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
    """Compute the cells that have no record yet; to continue an interrupted run, give the same command.

    Exit code 1 if cells have failed.
    """
    from invprior.cli import matrix_run, matrix_tables
    from invprior.matrix.execution import session
    from invprior.matrix.results.store import locked

    parallel = session.parallelism(workers, threads, device)
    store = matrix_run.planned(config, data, size, output, device, threads)
    planned = store.jobs()
    selected = select(planned, only)
    with locked(store.folder):
        store.begin()  # only now: a run that is refused changes nothing
        # All planned cells, whatever is selected: only the whole plan shows which records are superseded.
        aside = store.tidy(planned)
        cells = store.inspect(selected)
        for line in () if quiet else matrix_tables.damage(cells):
            err.print(f"[yellow]{escape(line)}[/]", soft_wrap=True)
        todo = session.todo(cells, refresh=refresh, retry=retry)
        events = session.events(store, todo, parallel, engine, address)
        matrix_run.watch(events, todo, parallel.workers, quiet=quiet)
        cells = store.inspect(selected)  # again, as the run has changed their states
    if not quiet:
        out.print(matrix_tables.counts(cells))
        for line in matrix_tables.remarks(cells, aside):
            err.print(f"[yellow]{escape(line)}[/]", soft_wrap=True)
        out.print(escape(f"Records and images are in {store.folder}"), soft_wrap=True)
    # A method that does not fit a task is a result of the comparison, not a failure.
    if any(c.record is None or c.record.status not in ("ok", "incompatible") for c in cells):
        raise typer.Exit(1)


@app.command()
@reporting
def status(folder: Folder, only: Only = None) -> None:
    """Count the cells of a folder of results by status."""
    from invprior.cli import matrix_tables
    from invprior.matrix.results.store import Store

    store = Store.open(folder)
    planned = store.jobs()
    cells = store.inspect(select(planned, only))
    out.print(matrix_tables.counts(cells))
    for line in matrix_tables.remarks(cells, len(store.superseded(planned))):
        out.print(escape(line), soft_wrap=True)


@app.command()
@reporting
def explain(
    cell: Annotated[
        str,
        typer.Argument(help='The beginning of a cell\'s key, or words of it: "camera blur tv".'),
    ],
    folder: Folder,
) -> None:
    """Explain the state of a cell: its status, and what has changed since its record was made."""
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
        Path, typer.Option(help="The folder to merge into, new or of the same matrix.")
    ],
) -> None:
    """Merge the results of several machines; every record is verified, and conflicts are named.

    Exit code 1 if there are conflicts or damaged records.
    """
    from invprior.matrix.results.merge import merge

    done = merge(folders, into)
    out.print(escape(f"Took {done.taken} records into {into}; {done.same} were there already."))
    for line in (*done.conflicts, *done.damaged):
        err.print(f"[yellow]{escape(line)}[/]", soft_wrap=True)
    if done.conflicts or done.damaged:
        raise typer.Exit(1)


def _deprecated(old: str, new: str, command: Callable[P, None]) -> None:
    """Keep an old name of a command for one release, out of the help."""

    # `wraps` keeps the signature, from which typer makes arguments and options.
    @functools.wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        err.print(
            f'"invprior matrix {old}" is deprecated. Use "invprior matrix {new}".', soft_wrap=True
        )
        command(*arguments, **options)

    app.command(old, hidden=True)(run)


_deprecated("why", "explain", explain)
_deprecated("gate", "regression", regression)
