"""`invprior describe KIND NAME`: show a plugin's options."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from invprior import registry
from invprior.cli import completion
from invprior.cli.console import out, reporting
from invprior.cli.list import group_named
from invprior.registry.described import described, plain_default, shown_default


@reporting
def describe(
    kind: Annotated[
        str,
        typer.Argument(
            help="operator, prior, solver, ... (see invprior list)", autocompletion=completion.kinds
        ),
    ],
    name: Annotated[
        str,
        typer.Argument(
            help="The plugin's name, or package/name.", autocompletion=completion.of_kind
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a plugin's description, its origin, and its options with types, ranges and defaults."""
    found = described(group_named(kind), name)
    group, entry, text, options = found.group, found.entry, found.text, found.options
    if as_json:
        rows = [
            {
                "name": o.name,
                "type": o.type,
                "required": o.required,
                "default": None if o.required else plain_default(o.default),
                "description": o.description,
            }
            for o in options
        ]
        print(json.dumps({"group": group, "name": entry.name, "package": entry.package, "version": entry.version,
                          "target": entry.target, "text": text, "options": rows}, indent=2))  # fmt: skip
        return
    where = escape(f"{registry.GROUPS[group]} of {entry.origin}, {entry.target}")
    out.print(f"[bold]{escape(entry.name)}[/]  [dim]{where}[/]\n")
    out.print(escape(_reflowed(text)) + "\n")
    if not options:
        out.print("It has no options.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("option", "type", "default", "meaning"):
        table.add_column(heading, header_style="bold", overflow="fold", no_wrap=heading == "option")
    for option in options:
        default = "[bold]required[/]" if option.required else escape(shown_default(option))
        table.add_row(option.name, escape(option.type), default, escape(option.description))
    out.print(table)
    # As an example an option that can be left out, if there is one.
    first = next((o for o in options if not o.required), options[0])
    out.print(f"\n[dim]Write {entry.name}:{first.name}=...[/]")


def _reflowed(text: str) -> str:
    """Join the lines of each paragraph, so that they wrap at the terminal's width; keep indented blocks."""
    paragraphs = [
        block if "\n " in block or block.startswith(" ") else block.replace("\n", " ")
        for block in text.split("\n\n")
    ]
    return "\n\n".join(paragraphs)
