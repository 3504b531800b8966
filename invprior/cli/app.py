"""The application: all commands, in the order in which `--help` lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from invprior._version import __version__
from invprior.cli.check import check
from invprior.cli.console import out, reporting
from invprior.cli.defaults import defaults
from invprior.cli.degrade import degrade
from invprior.cli.describe import describe
from invprior.cli.experiment import app as experiment
from invprior.cli.info import info
from invprior.cli.list import list_plugins
from invprior.cli.matrix import app as matrix
from invprior.cli.plugin_new import app as plugin_new
from invprior.cli.plugins import plugins
from invprior.cli.reproduce import reproduce
from invprior.cli.solve import solve
from invprior.cli.ui import ui

app = typer.Typer(
    name="invprior",
    help="Imaging inverse problems without training data: minimise E(A x; y) + R(x), with operators A and priors R "
    "that plug in.",
    epilog="Try: invprior solve --operator blur --prior dip",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"invprior {__version__}")
        raise typer.Exit


@app.callback()
@reporting
def _every(
    context: typer.Context,
    version: Annotated[  # its callback does the work
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    context.default_map = defaults(context)  # of the command that runs next


app.command()(solve)
app.command()(degrade)
app.command("list")(list_plugins)
app.command()(describe)
app.command()(check)
app.command()(plugins)
app.add_typer(plugin_new, name="plugin")
app.command()(info)
app.add_typer(experiment, name="experiment")
app.add_typer(matrix, name="matrix")
app.command()(reproduce)
app.command()(ui)
