"""`invprior check KIND NAME`: run every check of a plugin's kind on it."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from invprior import errors, registry
from invprior.cli import completion
from invprior.cli.console import out, reporting
from invprior.cli.list import group_named
from invprior.cli.trial import outcomes
from invprior.errors import InvpriorError, OptionError, PluginError

_SHOWN = {
    "pass": "[green]pass[/]",
    "fail": "[bold red]fail[/]",
    "skip": "[dim]skip[/]",
    "expected": "[yellow]known[/]",
}


@reporting
def check(
    what: Annotated[
        str,
        typer.Argument(
            metavar="KIND|MODULE:OBJECT",
            help="operator, prior, solver, ..., followed by a name; or a class or an object in a module, "
            "which may be in the current folder.",
            autocompletion=completion.kinds,
        ),
    ],
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="The plugin's name, with options if needed: dip:preset=fast.",
            autocompletion=completion.of_kind,
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that a plugin keeps the contract of its kind, and report how it fails; then exit with code 1."""
    ((found, ended),) = outcomes("invprior.cli.check:report", [[what, name]])
    if ended is not None:
        raise PluginError(
            f'The check of "{" ".join(filter(None, (what, name)))}" did not come to its end: {ended}.'
        )
    if "error" in found:
        raise getattr(errors, found["kind"])(found["error"])
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print(found["subject"], found["verdicts"])
    if not found["ok"]:
        raise typer.Exit(1)


def report(item: list[str]) -> dict[str, Any]:
    """Check a plugin; return the report, or the message and the kind of an error that the user can fix."""
    what, name = item
    try:
        subject = _registered(what, name) if name else _imported(what)
        from invprior import testing  # imports torch, which `--help` must not wait for

        found = testing.check(subject)
    except InvpriorError as error:
        kind = next(c.__name__ for c in type(error).__mro__ if c.__module__ == errors.__name__)
        return {"error": str(error), "kind": kind}
    verdicts = [asdict(v) for v in found.verdicts]
    return {"subject": found.subject, "ok": found.ok, "verdicts": verdicts}


def _registered(kind: str, spec: str) -> Any:
    return registry.create(group_named(kind), spec)


def _imported(target: str) -> Any:
    """Import the object that `module:Object` names, from the current folder too, as `python -m` does.

    Raises:
        PluginError: there is no such module or object, or its import fails.
        OptionError: the text is not of this form.
    """
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        raise OptionError(
            f'The subject of a check must be a kind and a name, as in "prior tv", or module:Object; got "{target}".'
        )
    if "" not in sys.path:  # the installed command, unlike `python -m`, does not look there
        sys.path.insert(0, "")
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except InvpriorError:
        raise
    except AttributeError as error:
        raise PluginError(f"Cannot find {target}: {error}. Write module:Object.") from None
    except (Exception, SystemExit) as error:  # a module under development can raise anything
        # The text of an ImportError stands alone; that of a KeyError, say, needs the name.
        plain = isinstance(error, ImportError)
        reason = f"{error}" if plain else f"{type(error).__name__}: {error}"
        raise PluginError(
            f"Cannot import {target}: {reason}. Fix the module, or go to its folder."
        ) from error
    return found


def _print(subject: str, verdicts: list[dict[str, str]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("check", header_style="bold", no_wrap=True)
    table.add_column("verdict", header_style="bold", no_wrap=True)
    table.add_column("finding", header_style="bold", overflow="fold")
    for verdict in verdicts:
        outcome = verdict["outcome"]
        text = escape(verdict["text"] or verdict["meaning"])
        quiet = outcome in ("pass", "skip")
        table.add_row(verdict["check"], _SHOWN[outcome], f"[dim]{text}[/]" if quiet else text)
    out.print(f"[bold]{escape(subject)}[/]\n")
    out.print(table)
    count = sum(verdict["outcome"] == "fail" for verdict in verdicts)
    failed = f"[bold red]{count} of {len(verdicts)} checks failed.[/]"
    out.print(f"\n{failed if count else 'All checks passed.'}")
