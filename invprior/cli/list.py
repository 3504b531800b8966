"""`invprior list`: show what is registered, without importing any plugin."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from invprior import registry
from invprior.cli.console import out, reporting
from invprior.errors import PluginError, did_you_mean


@reporting
def list_plugins(
    only: Annotated[
        str, typer.Argument(metavar="[KIND]", help="Show one kind: operators, priors, ...")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the registered operators, priors, solvers and so on, with the package that provides each."""
    group = group_named(only) if only else None
    found = registry.entries(group)
    if as_json:
        rows = [{"group": e.group, "name": e.name, "package": e.package, "version": e.version, "target": e.target,
                 "fault": e.fault, "summary": registry.summary(e)} for e in found]  # fmt: skip
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    # Where nothing but invprior is installed, its name in each row would be noise.
    foreign = any(e.package != registry.CORE for e in found)
    for heading in ("kind", "name", *(["package"] if foreign else []), "description"):
        table.add_column(heading, header_style="bold", overflow="fold", no_wrap=heading == "name")
    last = ""
    for entry in found:
        note = (
            f"[red]broken: {escape(entry.fault)}[/]"
            if entry.fault
            else escape(registry.summary(entry))
        )
        name = escape(entry.full_name if shadowed(entry, found) else entry.name)
        kind = registry.GROUPS[entry.group] if entry.group != last else ""  # once for each kind
        origin = "" if entry.package == registry.CORE else escape(entry.origin)
        table.add_row(kind, name, *([origin] if foreign else []), note)
        last = entry.group
    out.print(table)
    out.print("\n[dim]invprior describe KIND NAME shows the options of a plugin.[/]")


def shadowed(entry: registry.Entry, known: list[registry.Entry]) -> bool:
    """Return whether the plain name refers to another entry, so that this one needs package/name."""
    same = [e for e in known if (e.group, e.name) == (entry.group, entry.name)]
    return len(same) > 1 and entry.package != registry.CORE


def group_named(kind: str) -> str:
    """Return the group of a kind, given as "priors", "prior", "weight-rule" or "weight".

    Raises:
        PluginError: there is no such kind.
    """
    for group, name in registry.GROUPS.items():
        if kind.lower() in (group, group.removesuffix("s"), name, name.replace(" ", "-")):
            return group
    kinds = list(registry.GROUPS)
    raise PluginError(
        f'Unknown kind "{kind}"{did_you_mean(kind, kinds)}. Kinds: {", ".join(kinds)}.'
    )
