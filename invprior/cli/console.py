"""What every command shares: where text goes, and how a command ends."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

import typer
from rich.console import Console
from rich.markup import escape

from invprior.errors import InvpriorError

P = ParamSpec("P")

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


def reporting(command: Callable[P, None]) -> Callable[P, None]:
    """End with one clear message and an exit code, never with a traceback, on an error that a user can mend."""

    @functools.wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            command(*arguments, **options)
        except InvpriorError as error:
            err.print(f"[bold red]Error[/] {escape(str(error))}", soft_wrap=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            err.print("Interrupted; no file was left half-written.")
            raise typer.Exit(130) from None

    return run
