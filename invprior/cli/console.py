"""What all commands share: the consoles, and how a command ends on an error."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ParamSpec

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment

from invprior.errors import InvpriorError
from invprior.io import lock
from invprior.io.plain_text import printable

P = ParamSpec("P")


class _Terminal(Console):
    """A console on which names and messages cannot move the cursor or reverse letters.

    Everything that a command shows, tables and progress bars included, passes here. rich's own colours and movements
    are no text, and are kept.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


# Emoji codes are off: ":name:" in a message is text.
out = _Terminal(highlight=False, emoji=False)
err = _Terminal(stderr=True, highlight=False, emoji=False)


def print_notes(notes: Iterable[str]) -> None:
    """Print sentences that the user should know, apart from the results."""
    for note in notes:
        err.print(f"[yellow]{escape(note)}[/]", soft_wrap=True)


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
        except Exception as error:
            if (text := _limit_reached(error)) is None:
                raise
            err.print(f"[bold red]Error[/] {escape(text)}", soft_wrap=True)
            raise typer.Exit(InvpriorError.exit_code) from None
        except KeyboardInterrupt:
            err.print("Interrupted; no file was left half-written.")
            raise typer.Exit(130) from None  # 128 + SIGINT, as shells report it
        finally:
            lock.release()

    return run


def _limit_reached(error: Exception) -> str | None:
    """Return a message for a run that asked for more memory, or a larger number, than there is; None for others.

    Checks before the run refuse what they can foresee. Libraries report the rest by errors of many types.
    """
    text = str(error).partition("\n")[0]
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}, line {place.lineno}"
    if isinstance(error, MemoryError) or "allocate memory" in text or "out of memory" in text:
        return f"There is too little memory ({where}). Use a smaller image or network, or --memory-limit."
    if isinstance(error, ArithmeticError) or "without overflow" in text:
        return f"A number became too large or too small to compute with ({where}: {text}). Give options nearer to 1."
    return None
