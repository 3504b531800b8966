"""`invprior matrix report`: tables, figures and images of the results so far."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invprior.cli.console import out, reporting
from invprior.cli.matrix_only import Only, matching
from invprior.errors import OptionError


@reporting
def report(
    folder: Annotated[
        Path, typer.Argument(help='The folder that "invprior matrix run" has written.')
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The page; absent: report.html in that folder."),
    ] = None,
    only: Only = None,
    paper: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="In place of the page, write a LaTeX table and PDF figures for a paper into this folder.",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="With --paper: a column of each task, by default the first metric. Repeatable."
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT=NAME",
            help="With --paper: the name of a method, image, operator or noise in the table and the figures. "
            "Repeatable.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace also a file that is no report.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Write one self-contained HTML page, and tables and figures as CSV, Markdown, LaTeX, PNG and SVG.

    A run may still go on: cells that have not run yet are shown as such. An earlier report is replaced. With --only,
    the whole report is about the cells that match: means are over the images and seeds that they share.
    """
    from invprior.matrix.report.paper import write_paper
    from invprior.matrix.report.write import write
    from invprior.matrix.results.store import Store

    select = partial(matching, only=only) if only else None
    if paper is not None:
        if output is not None:
            raise OptionError("Give --output or --paper, not both: --paper writes no page.")
        names = dict(map(_display_name, name or ()))
        written = write_paper(
            Store.open(folder),
            paper,
            metrics=metric or (),
            names=names,
            overwrite=overwrite,
            select=select,
        )
        if not quiet:
            listed = ", ".join(path.name for path in written)
            out.print(escape(f"Wrote {listed} in {paper}"), soft_wrap=True)
        return
    if metric or name:
        raise OptionError("--metric and --name need --paper DIR.")
    page, *more = write(Store.open(folder), output, overwrite=overwrite, select=select)
    if not quiet:
        out.print(
            escape(f"Wrote {page}, and {len(more)} tables and figures in {more[0].parent}"),
            soft_wrap=True,
        )


def _display_name(text: str) -> tuple[str, str]:
    # At the last sign, as a spec has its own: "tv:weight=8=TV".
    old, sign, new = text.rpartition("=")
    if not (sign and old and new):
        raise OptionError(
            f'The option "name" must be TEXT=NAME, such as tv:weight=8=TV; got "{text}".'
        )
    return old, new
