"""`invprior plugins`: what is installed, where it comes from, and whether it works."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from invprior import registry
from invprior.cli.console import out, reporting
from invprior.errors import InvpriorError, PluginError
from invprior.registry import CORE, Entry
from invprior.registry.options import options_of
from invprior.registry.spec import Spec

_TRIAL = (3, 16, 16)  # the image that an operator is made for, to see that it can be made


@dataclass(frozen=True)
class Row:
    """A plugin's state."""

    package: str
    version: str
    kind: str
    name: str
    target: str
    state: str
    reason: str


@reporting
def plugins(
    check: Annotated[
        bool, typer.Option("--check", help="Load every plugin; exit with 1 when one has a fault.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is installed, from which package, and whether it is ok, broken or clashes with another."""
    known = registry.entries()
    with redirect_stdout(sys.stderr):  # a module that prints must not spoil the table
        rows = [_row(entry, known, check) for entry in known]
    faults = [row for row in rows if row.state != "ok"]
    count = f"Faulty: {len(faults) or 'none'} of {len(rows)}."
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        out.print(_table(rows))
        more = "" if check else " Nothing was imported; --check loads every one."
        out.print(f"\n[dim]{count}{more}[/]")
    if check and faults:
        raise typer.Exit(1)


def _row(entry: Entry, known: list[Entry], check: bool) -> Row:
    state, reason = "ok", ""
    fault = entry.fault or (_trouble(entry) if check else None)
    others = [e for e in known if (e.group, e.name) == (entry.group, entry.name) and e != entry]
    if fault is not None:
        state, reason = "broken", fault
    elif entry.package != CORE and any(not e.fault for e in others):
        holders = " and ".join(e.package for e in others if not e.fault)
        state, reason = "clash", f"{holders} has that name too; write {entry.full_name}"
    kind = registry.GROUPS[entry.group]
    return Row(entry.package, entry.version, kind, entry.name, entry.target, state, reason)


def _trouble(entry: Entry) -> str | None:
    """Load a plugin, and make it where it needs no option; tell what goes wrong."""
    try:
        cls = registry.load(entry)
        if any(option.required for option in options_of(cls)):
            return None
        made = registry.create(entry.group, Spec(entry.full_name))
        if entry.group == "operators":
            made(_TRIAL)
    except PluginError as error:
        return error.reason or str(error)
    except InvpriorError:  # it works, and asks for something in words of its own
        return None
    return None


def _table(rows: list[Row]) -> Table:
    """A row for each plugin of other packages, and for invprior's own together where they are well."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("package", "version", "kind", "name", "state"):
        table.add_column(heading, header_style="bold", overflow="fold", no_wrap=heading != "state")
    own = [row for row in rows if row.package == CORE and row.state == "ok"]
    if own:
        table.add_row(CORE, own[0].version, "", f"{len(own)} built in", _state(own[0]))
    others = [row for row in rows if row not in own]
    for row in sorted(others, key=lambda row: (row.package != CORE, row.package)):
        cells = (row.package, row.version, row.kind, row.name)
        table.add_row(*map(escape, cells), _state(row))
    return table


def _state(row: Row) -> str:
    colour = {"ok": "green", "broken": "red", "clash": "yellow"}[row.state]
    text = f"{row.state}: {row.reason}" if row.reason else row.state
    return f"[{colour}]{escape(text)}[/]"
