"""`invprior reproduce`: compute again what a record of `solve` or of a matrix describes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invprior.cli.console import out, reporting


@reporting
def reproduce(
    record: Annotated[
        Path,
        typer.Argument(
            help="A record of solve, such as x.json, or of a matrix: DIR/records/KEY.json."
        ),
    ],
    data: Annotated[
        Path | None, typer.Option(help="The folder of its images, if it has moved.")
    ] = None,
) -> None:
    """Run again what a record describes, and report whether the result matches or what differs.

    Nothing is written. Exit code 0 if it matches, 1 if not.
    """
    from invprior.cli.reproduce_run import is_run, reproduce_run

    if is_run(record):
        with tempfile.TemporaryDirectory() as folder:
            made = reproduce_run(record, Path(folder), data, quiet=False)
        _print("to the last bit" if not made.differences else "", made.differences, made.causes)
        return
    from invprior.matrix.execution.reproduce import reproduce

    with tempfile.TemporaryDirectory() as folder:
        done = reproduce(record, Path(folder), None if data is None else str(data.absolute()))
    what = "to the last bit" if done.again.result_sha256 else f"it is {done.again.status} again"
    _print(f"{what}. {done.again.reason}" if done.matches else "", done.differences, done.causes)


def _print(match: str, differences: Sequence[str], causes: Sequence[str]) -> None:
    """Say how the result matches, or what differs, and what has changed since; exit with 1 if it does not match."""
    if match:
        out.print(escape(f"It matches: {match.strip().rstrip('.')}."), soft_wrap=True)
    else:
        out.print("It does not match:")
        for line in differences:
            out.print(escape(f"  {line}"), soft_wrap=True)
    if causes:
        out.print("Since the record was made:")
        for line in causes:
            out.print(escape(f"  {line}"), soft_wrap=True)
    if not match:
        raise typer.Exit(1)
