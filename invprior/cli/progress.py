"""What a command shows while a run is under way: the progress on its own console, and the notes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape

from invprior.cli.console import err


@contextmanager
def notes_on_stderr(quiet: bool) -> Iterator[None]:
    """Print the notes of a run, which invprior logs as warnings, as yellow lines on stderr unless quiet."""
    handler = _Notes(logging.CRITICAL if quiet else logging.WARNING)
    logger = logging.getLogger("invprior")
    logger.addHandler(handler)  # also when quiet: without a handler, Python prints warnings itself
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        err.print(f"[yellow]Note: {escape(record.getMessage())}.[/]", soft_wrap=True)
