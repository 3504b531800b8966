"""What the shell completes: kinds and names of plugins, from the metadata of packages; nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Callable

import typer

from invprior import registry
from invprior.cli.list import group_named, shadowed
from invprior.errors import InvpriorError

Found = list[tuple[str, str]]  # texts and their help
_KINDS = {kind.replace(" ", "-"): group for group, kind in registry.GROUPS.items()}


def plugins(group: str) -> Callable[[str], Found]:
    """Return a function that completes the last name of a spec, such as the one after "dip+" or "pnp | "."""

    def complete(incomplete: str) -> Found:
        # In a rule, names stand after | & and brackets, and in a sum of priors after + and a factor's *.
        before, last = re.fullmatch(r"(.*[+*|&(]\s*)?(.*)", incomplete, re.S).groups("")  # type: ignore[union-attr]
        found = registry.entries(group)
        names = [(e.full_name if shadowed(e, found) else e.name, registry.summary(e))
                 for e in found if not e.fault]  # fmt: skip
        return [(before + name, text) for name, text in names if name.startswith(last)]

    return complete


def kinds(incomplete: str) -> Found:
    """Complete a kind of plugin."""
    return [(kind, group) for kind, group in _KINDS.items() if kind.startswith(incomplete)]


def of_kind(context: typer.Context, incomplete: str) -> Found:
    """Complete the name of a plugin of the kind that stands before it."""
    kind = context.params.get("kind") or context.params.get("what") or ""
    try:
        return plugins(group_named(kind))(incomplete)
    except InvpriorError:  # no such kind; the command itself will say so
        return []
