"""The server of the page, for this machine alone."""

from __future__ import annotations

import socket

from invprior.errors import OptionError

HOST = "127.0.0.1"


def serve(port: int, *, show: bool) -> None:
    """Serve the page until Ctrl-C.

    Args:
        port: of this machine.
        show: whether to open the page in a browser.

    Raises:
        OptionError: NiceGUI is not installed, or the port is not free.
    """
    try:
        from nicegui import app, ui
        from starlette.middleware.trustedhost import TrustedHostMiddleware
    except ImportError as error:
        raise OptionError(
            f'The page needs the package NiceGUI ({error}). Install it with: pip install "invprior[ui]"'
        ) from None
    from invprior.ui.page import Page

    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as error:
            raise OptionError(
                f'The option "port" must be a free port of this machine; {port} is not ({error.strerror}). '
                f"Choose another: invprior ui --port {port + 1}"
            ) from None
    # The name of another site, resolved to this machine, must not reach the page.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    ui.run(
        lambda: Page().build(),
        host=HOST,
        port=port,
        title="invprior",
        show=show,
        reload=False,
        dark=None,  # as the browser is set
        show_welcome_message=False,
    )
