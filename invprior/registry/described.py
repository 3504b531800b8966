"""What is known of a plugin: for `invprior describe`, its page in the documentation, and the forms of `invprior ui`."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

from invprior.registry.discovery import Entry
from invprior.registry.lookup import describe, find, load
from invprior.registry.options import Option, options_of

_ARGUMENTS = re.compile(r"^Args:\n(?:[ \t].*\n?|\n(?=[ \t\n]))*", re.M)


@dataclass(frozen=True)
class Described:
    """What `invprior describe` shows, and the plugin's page in the documentation.

    Attributes:
        group: the kind of plugin, one of `GROUPS`.
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
    entry = find(group, name)
    cls = load(entry)
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


def plain_default(value: Any) -> Any:
    """Return a default as JSON can hold it; a component becomes its spec."""
    if getattr(value, "plugin_group", None):
        return str(describe(value))
    return [plain_default(v) for v in value] if isinstance(value, list | tuple) else value


def shown_default(option: Option) -> str:
    """Return an option's default as text: numbers with six digits, a component as its spec."""
    value = plain_default(option.default)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
