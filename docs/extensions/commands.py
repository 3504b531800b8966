"""Write the command reference from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from neighbours import GENERATED, write
from plain import escaped, paragraphs
from sphinx.application import Sphinx

BELL = "\b"  # tells click not to rewrap a paragraph
INTRODUCTION = """# Command reference

All commands with their arguments and options, generated from the commands when this site is built.
[Command line](../command-line.md) shows them in use. `invprior COMMAND --help` prints the same.
"""


def write_reference(app: Sphinx) -> None:
    """Write the page before Sphinx reads its sources."""
    from invprior.cli.app import app as invprior

    command = typer.main.get_command(invprior)
    text = "\n".join([INTRODUCTION, *_sections(command, ("invprior",), None)])
    write(Path(app.srcdir) / GENERATED / "command-reference.md", text)


def _sections(command: Any, path: tuple[str, ...], parent: Any) -> Iterator[str]:
    """Yield the section of a command, or one section for each command of a group."""
    context = command.context_class(command, info_name=path[-1], parent=parent)
    inner = getattr(command, "commands", None)  # groups alone have it
    if inner is not None:
        shown = {name: child for name, child in inner.items() if not child.hidden}
        for name, child in shown.items():
            yield from _sections(child, (*path, name), context)
        return
    usage = " ".join([*path, *command.collect_usage_pieces(context)])
    yield f"## {' '.join(path[1:])}\n\n```text\n{usage}\n```\n\n{paragraphs((command.help or '').replace(BELL, ''))}\n"
    for kind in ("argument", "option"):
        parameters = [p for p in command.get_params(context) if p.param_type_name == kind]
        rows = [_row(*record) for p in parameters if (record := p.get_help_record(context))]
        if rows:
            yield f"| {kind} | meaning |\n|---|---|\n" + "\n".join(rows) + "\n"


def _row(names: str, meaning: str) -> str:
    """Return a table row from the text of `--help`: the names, the meaning, and the default or range."""
    # typer appends the default, the range or "required" in square brackets; brackets inside the text stay
    text, extra = re.fullmatch(
        r"(.*?)(?:\s*\[((?:default|required|x|\d)[^\[]*)\])?", meaning, re.S
    ).groups()
    code = names.replace("|", "\\|")  # a bar would end the cell, in code too
    return f"| `{code}` | {escaped(text)} {f'*{escaped(extra)}*' if extra else ''} |"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_reference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
