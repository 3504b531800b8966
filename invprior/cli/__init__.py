"""The command line: one file a command. Nothing here imports torch before a command needs it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `invprior`."""
    try:
        from invprior.cli.app import app

        app()
    except KeyboardInterrupt:  # before a command could answer for itself
        print("Interrupted; nothing was written.", file=sys.stderr)
        sys.exit(130)
