"""What all commands share: the consoles, and how a command ends on an error."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

import typer
from rich.console import Console
from rich.markup import escape

from invprior.errors import InvpriorError
from invprior.io import lock

P = ParamSpec("P")

# Emoji codes are off: ":name:" in a message is text.
out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


def reporting(command: Callable[P, None]) -> Callable[P, None]:
    """Turn an error that the user can fix into one message and an exit code, without a traceback."""

    @functools.wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            command(*arguments, **options)
        except InvpriorError as error:
            # Messages quote specs and paths, whose brackets rich would read as markup.
            err.print(f"[bold red]Error[/] {escape(str(error))}", soft_wrap=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            err.print("Interrupted; no file was left half-written.")
            raise typer.Exit(130) from None  # 128 + SIGINT, as shells report it
        finally:
            lock.release()

    return run
