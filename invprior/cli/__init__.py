"""The command line: one file a command. Nothing here imports torch before a command needs it."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> None:
    """Run `invprior`."""
    try:
        from invprior.cli.app import app

        app()
    except KeyboardInterrupt:  # before a command could answer for itself
        _interrupted()
    except SystemExit as end:  # typer turns one that meets it between two of ours into a mute exit
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):
            _interrupted()
        raise


def _interrupted() -> NoReturn:
    print("Interrupted; nothing was written.", file=sys.stderr)
    sys.exit(130)
