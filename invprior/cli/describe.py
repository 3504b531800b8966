"""`invprior describe KIND NAME`: show a plugin's options."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from invprior import registry
from invprior.cli import completion
from invprior.cli.console import out, reporting
from invprior.cli.list import group_named
from invprior.registry.discovery import Entry
from invprior.registry.options import Option, options_of

_ARGUMENTS = re.compile(r"^Args:\n(?:[ \t].*\n?|\n(?=[ \t\n]))*", re.M)


@dataclass(frozen=True)
class Described:
    """What `invprior describe` shows, and the plugin's page in the documentation.

    Attributes:
        group: the kind of plugin, one of `registry.GROUPS`.
        entry: where it is registered.
        cls: its class.
        text: the class's docstring without the section on arguments, which the options repeat.
        options: its options, first the weight of a term.
    """

    group: str
    entry: Entry
    cls: type
    text: str
    options: list[Option]


def described(group: str, name: str) -> Described:
    """Load a plugin and collect what is known of it."""
    entry = registry.find(group, name)
    cls = registry.load(entry)
    options = options_of(cls)
    # `weight` belongs to the term of the sum, not to the class, but the user writes it in the same place.
    if "weight" in getattr(cls, "term_options", ()):
        weight = float(f"{cls.default_weight:g}")
        options = [
            Option("weight", "float >= 0", weight, "weight of this term of the prior"),
            *options,
        ]
    text = _ARGUMENTS.sub("", inspect.getdoc(cls) or "").strip()
    return Described(group, entry, cls, text, options)


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
                "default": None if o.required else _plain(o.default),
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


def _plain(value: Any) -> Any:
    """Return a default as JSON can hold it; a component becomes its spec."""
    if getattr(value, "plugin_group", None):
        return str(registry.describe(value))
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def shown_default(option: Option) -> str:
    """Return an option's default as text: numbers with six digits, a component as its spec."""
    value = _plain(option.default)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _reflowed(text: str) -> str:
    """Join the lines of each paragraph, so that they wrap at the terminal's width; keep indented blocks."""
    paragraphs = [
        block if "\n " in block or block.startswith(" ") else block.replace("\n", " ")
        for block in text.split("\n\n")
    ]
    return "\n\n".join(paragraphs)
