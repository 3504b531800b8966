"""`invprior plugins`: show the installed plugins, their packages, and whether they work."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from invprior import registry
from invprior.cli.console import out, reporting
from invprior.cli.trial import outcomes
from invprior.errors import InvpriorError, PluginError
from invprior.registry import CORE, Entry
from invprior.registry.options import options_of
from invprior.registry.spec import Spec

_TRIAL = (3, 16, 16)  # the image shape for which an operator is created as a trial
_SECONDS = 120.0  # in which a plugin must be imported and created


@dataclass(frozen=True)
class Row:
    """A plugin's state: ok, broken or clash."""

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
        bool,
        typer.Option("--check", help="Load every plugin; exit with code 1 if one has a fault."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the installed plugins, their packages, and whether each is ok, broken or clashes with another."""
    known = registry.entries()
    troubles = _troubles([entry for entry in known if not entry.fault]) if check else {}
    rows = [_row(entry, known, entry.fault or troubles.get(entry)) for entry in known]
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


def _row(entry: Entry, known: list[Entry], fault: str | None) -> Row:
    state, reason = "ok", ""
    others = [e for e in known if (e.group, e.name) == (entry.group, entry.name) and e != entry]
    if fault is not None:
        state, reason = "broken", fault
    # The plain name reaches invprior's own plugin, so only the others are reported.
    elif entry.package != CORE and any(not e.fault for e in others):
        holders = " and ".join(e.package for e in others if not e.fault)
        state, reason = "clash", f"{holders} also provides this name; write {entry.full_name}"
    kind = registry.GROUPS[entry.group]
    return Row(entry.package, entry.version, kind, entry.name, entry.target, state, reason)


def _troubles(entries: list[Entry]) -> dict[Entry, str | None]:
    """Return what is wrong with each plugin, or None, without running its code in this process."""
    items = [asdict(entry) for entry in entries]
    found = outcomes("invprior.cli.plugins:trouble", items, _SECONDS)
    return {
        entry: f"loading it did not come to its end: {ended}" if ended else told
        for entry, (told, ended) in zip(entries, found, strict=True)
    }


def trouble(item: dict[str, Any]) -> str | None:
    """Load a plugin, and create it if it needs no option; return the fault, or None."""
    entry = Entry(**item)
    try:
        cls = registry.load(entry)
        if any(option.required for option in options_of(cls)):
            return None
        made = registry.create(entry.group, Spec(entry.full_name))
        if entry.group == "operators":
            made(_TRIAL)
    except PluginError as error:
        return error.reason or str(error)
    except InvpriorError:  # the plugin works and refuses the trial with a message of its own
        return None
    return None


def _table(rows: list[Row]) -> Table:
    """Return a row for each plugin of other packages and one for all of invprior's own that are ok."""
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
