"""`invprior reproduce`: compute the cell of a record again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invprior.cli.console import out, reporting


@reporting
def reproduce(
    record: Annotated[Path, typer.Argument(help="A record of a matrix: DIR/records/KEY.json.")],
    data: Annotated[
        Path | None, typer.Option(help="The folder of its images, if it has moved.")
    ] = None,
) -> None:
    """Compute the cell of a record again, and report whether the result matches or what differs.

    Nothing is written. Exit code 0 if it matches, 1 if not.
    """
    from invprior.matrix.execution.reproduce import reproduce

    with tempfile.TemporaryDirectory() as folder:
        done = reproduce(record, Path(folder), None if data is None else str(data.absolute()))
    if done.matches:
        what = "to the last bit" if done.again.result_sha256 else f"it is {done.again.status} again"
        out.print(escape(f"It matches: {what}. {done.again.reason}".rstrip()), soft_wrap=True)
    else:
        out.print("It does not match:")
        for line in done.differences:
            out.print(escape(f"  {line}"), soft_wrap=True)
    if done.causes:
        out.print("Since the record was made:")
        for line in done.causes:
            out.print(escape(f"  {line}"), soft_wrap=True)
    if not done.matches:
        raise typer.Exit(1)
