"""`invprior matrix report`: tables, figures and images of the results so far."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invprior.cli.console import out, reporting
from invprior.cli.matrix_only import Only, matching


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
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace also a file that is no report.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Write one self-contained HTML page, and tables and figures as CSV, Markdown, LaTeX, PNG and SVG.

    A run may still go on: cells that have not run yet are shown as such. An earlier report is replaced. With --only,
    the whole report is about the cells that match: means are over the images and seeds that they share.
    """
    from invprior.matrix.report.write import write
    from invprior.matrix.results.store import Store

    select = partial(matching, only=only) if only else None
    page, *more = write(Store.open(folder), output, overwrite=overwrite, select=select)
    if not quiet:
        out.print(
            escape(f"Wrote {page}, and {len(more)} tables and figures in {more[0].parent}"),
            soft_wrap=True,
        )
