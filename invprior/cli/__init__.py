"""The command line, with one file for each command.

No module here imports torch before a command needs it, so that `--help` and `list` answer at once.
"""

from __future__ import annotations

import io
import sys
from typing import NoReturn


def main() -> None:
    """Run `invprior`."""
    for stream in (sys.stdout, sys.stderr):
        # A name or a sign that the terminal's encoding lacks is printed as an escape; it must not end a command
        # whose work is done.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from invprior.cli.app import app

        app()
    except KeyboardInterrupt:  # during the imports, where no command can catch it
        _interrupted()
    except SystemExit as end:
        # Outside a command, typer turns Ctrl-C into an exit without a message.
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):
            _interrupted()
        raise


def _interrupted() -> NoReturn:
    print("Interrupted; nothing was written.", file=sys.stderr)
    sys.exit(130)
