"""`invprior ui`: a local page to restore images."""

from __future__ import annotations

from typing import Annotated

import typer

from invprior.cli.console import err, reporting


@reporting
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of this machine.")] = 8080,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Serve a page on this machine to restore images: drop a file, choose the parts, watch the run.

    It needs the extra "ui": pip install "invprior[ui]". No other machine can reach it.
    """
    from invprior.ui.server import HOST, serve

    err.print(f"Serving http://{HOST}:{port} on this machine alone. End with Ctrl-C.")
    serve(port, show=show)
